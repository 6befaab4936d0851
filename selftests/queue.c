// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue of netfilter to user space that holds packets for a while.
 *
 *   queue NUMBER COUNT FIFO [MARK]
 *           says "bound" when packets of the queue come here, "held" when COUNT of
 *           them are, opens FIFO for reading, and accepts them when somebody has opened
 *           it for writing; with MARK as their mark from then on
 */

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#define MOST	64

static char buf[8192];

static struct nlmsghdr *start(uint8_t type, uint16_t number)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(number);
	return nlh;
}

static void talk(struct mnl_socket *sk, struct nlmsghdr *nlh)
{
	ssize_t len;

	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(sk, nlh, nlh->nlmsg_len) < 0)
		err(1, "sending");
	len = mnl_socket_recvfrom(sk, buf, sizeof(buf));
	if (len < 0 || mnl_cb_run(buf, len, 0, mnl_socket_get_portid(sk), NULL, NULL) < 0)
		err(1, "the queue");
}

static void bind_queue(struct mnl_socket *sk, uint16_t number)
{
	struct nfqnl_msg_config_params params = { .copy_mode = NFQNL_COPY_META };
	struct nfqnl_msg_config_cmd cmd = { .command = NFQNL_CFG_CMD_BIND };
	struct nlmsghdr *nlh;

	nlh = start(NFQNL_MSG_CONFIG, number);
	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	talk(sk, nlh);
	nlh = start(NFQNL_MSG_CONFIG, number);
	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	talk(sk, nlh);
}

static int packet(const struct nlmsghdr *nlh, void *data)
{
	struct nfqnl_msg_packet_hdr *hdr;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFQA_PACKET_HDR)
			continue;
		hdr = mnl_attr_get_payload(attr);
		*(uint32_t *)data = hdr->packet_id;
		return MNL_CB_STOP;
	}
	return MNL_CB_OK;
}

static void accept_packet(struct mnl_socket *sk, uint16_t number, uint32_t id, const char *mark)
{
	struct nfqnl_msg_verdict_hdr hdr = { .verdict = htonl(NF_ACCEPT), .id = id };
	struct nlmsghdr *nlh = start(NFQNL_MSG_VERDICT, number);

	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(hdr), &hdr);
	if (mark)
		mnl_attr_put_u32(nlh, NFQA_MARK, htonl(strtoul(mark, NULL, 0)));
	if (mnl_socket_sendto(sk, nlh, nlh->nlmsg_len) < 0)
		err(1, "sending");
}

int main(int argc, char **argv)
{
	uint32_t ids[MOST];
	struct mnl_socket *sk;
	int number, count, i;

	if (argc != 4 && argc != 5)
		errx(2, "usage: queue NUMBER COUNT FIFO [MARK]");
	number = atoi(argv[1]);
	count = atoi(argv[2]);
	if (count < 1 || count > MOST)
		errx(2, "COUNT is 1 to %d", MOST);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sk = mnl_socket_open(NETLINK_NETFILTER);
	if (!sk || mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0)
		err(1, "a netlink socket");
	bind_queue(sk, number);
	puts("bound");
	for (i = 0; i < count; ) {
		ssize_t len = mnl_socket_recvfrom(sk, buf, sizeof(buf));

		if (len < 0)
			err(1, "receiving");
		if (mnl_cb_run(buf, len, 0, 0, packet, &ids[i]) == MNL_CB_STOP)
			i++;
	}
	puts("held");
	if (open(argv[3], O_RDONLY) < 0)
		err(1, "%s", argv[3]);
	for (i = 0; i < count; i++)
		accept_packet(sk, number, ids[i], argv[4]);
	puts("accepted");
	/* the queue goes with the socket, and what is in it: all has been taken out */
	mnl_socket_close(sk);
	return 0;
}
