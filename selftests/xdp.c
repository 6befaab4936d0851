// SPDX-License-Identifier: GPL-2.0-only
/*
 * xdp DEV drop|pass|off: a generic XDP program on a device, for the tests. It
 * counts the packets that it sees; "xdp DEV count" tells how many. "xdp DEV
 * driver" passes all in the driver, where veth then receives by a NAPI.
 *
 * The count is that of the program itself, kernel.bpf_stats_enabled being on.
 */

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "nl.h"

static struct nl nl;

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(uint32_t verdict)
{
	/* r0 = verdict; exit */
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)insns,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		die("xdp: cannot load a program: %s", strerror(errno));
	return fd;
}

static int attach(const char *dev, int fd, uint32_t mode)
{
	struct nlattr *xdp;
	struct nlmsghdr *nlh;
	int err;

	nlh = nl_start_link(&nl, RTM_SETLINK, 0, dev);
	xdp = mnl_attr_nest_start(nlh, IFLA_XDP);
	mnl_attr_put_u32(nlh, IFLA_XDP_FD, fd);
	mnl_attr_put_u32(nlh, IFLA_XDP_FLAGS, mode);
	mnl_attr_nest_end(nlh, xdp);
	err = nl_talk(&nl, nlh, NULL, NULL);
	if (!err)
		return 0;
	fprintf(stderr, "%s: %s\n", strerrorname_np(-err), nl.extack);
	return 1;
}

static int id_cb(const struct nlmsghdr *nlh, void *out)
{
	const struct nlattr *attr, *member;
	uint32_t *id = out;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) != IFLA_XDP)
			continue;
		mnl_attr_for_each_nested(member, attr)
			if (mnl_attr_get_type(member) == IFLA_XDP_SKB_PROG_ID)
				*id = mnl_attr_get_u32(member);
	}
	return MNL_CB_OK;
}

static int count(const char *dev)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { 0 };
	uint32_t id = 0;

	if (nl_talk(&nl, nl_start_link(&nl, RTM_GETLINK, 0, dev), id_cb, &id) || !id)
		die("xdp: %s has no program", dev);
	attr.prog_id = id;
	attr.info.bpf_fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if ((int)attr.info.bpf_fd < 0)
		die("xdp: program %u: %s", id, strerror(errno));
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		die("xdp: program %u: %s", id, strerror(errno));
	printf("%llu\n", (unsigned long long)info.run_cnt);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("xdp DEV drop|pass|driver|off|count");
	nl_open_route(&nl);
	if (!strcmp(argv[2], "drop"))
		return attach(argv[1], load(XDP_DROP), XDP_FLAGS_SKB_MODE);
	if (!strcmp(argv[2], "pass"))
		return attach(argv[1], load(XDP_PASS), XDP_FLAGS_SKB_MODE);
	if (!strcmp(argv[2], "driver"))
		return attach(argv[1], load(XDP_PASS), XDP_FLAGS_DRV_MODE);
	if (!strcmp(argv[2], "off"))
		return attach(argv[1], -1, XDP_FLAGS_SKB_MODE);
	if (!strcmp(argv[2], "count"))
		return count(argv[1]);
	die("xdp: %s: unknown word", argv[2]);
}
