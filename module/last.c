// SPDX-License-Identifier: GPL-2.0-only
/* The last packets that met causes of a drop which a setting would mend: an administrator
 * learns from them which peer, pod CIDR or source is missing.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "addr.h"
#include "device.h"
#include "last.h"
#include "stats.h"

static const u8 causes[IPMESH_LAST_CAUSES] = {
	IPMESH_A_DROPS_NO_PEER, IPMESH_A_DROPS_UNKNOWN_PEER, IPMESH_A_DROPS_SRC_NOT_ALLOWED,
};

/**
 * ipmesh_last_init - nothing was dropped yet
 * @last: a CPU's, zeroed
 */
void ipmesh_last_init(struct ipmesh_last *last)
{
	seqcount_init(&last->seq);
}

/* The inner address that counts: the destination of what is sent, the source of what is
 * received. Of a stranger's packet nothing is checked yet; any when it has no header.
 */
static void inner_address(struct in6_addr *addr, struct sk_buff *skb, bool sent)
{
	const struct ipv6hdr *ip6h;
	const struct iphdr *iph;
	union {
		struct ipv6hdr ip6h;
		struct iphdr iph;
	} buf;

	*addr = in6addr_any;
	iph = skb_header_pointer(skb, 0, sizeof(*iph), &buf);
	if (!iph)
		return;
	if (iph->version == 4) {
		ipv6_addr_set_v4mapped(sent ? iph->daddr : iph->saddr, addr);
		return;
	}
	ip6h = skb_header_pointer(skb, 0, sizeof(*ip6h), &buf);
	if (ip6h && ip6h->version == 6)
		*addr = sent ? ip6h->daddr : ip6h->saddr;
}

/**
 * ipmesh_last_note - remember a packet that is about to be dropped
 * @last: this CPU's
 * @cause: IPMESH_A_DROPS_*; most are not for here
 * @endpoint: outer source of a received packet
 * @skb: the packet, its data the inner header
 *
 * Context: BH off.
 */
void ipmesh_last_note(struct ipmesh_last *last, unsigned int cause,
		      const struct in6_addr *endpoint, struct sk_buff *skb)
{
	struct ipmesh_last_packet packet = { .when = get_jiffies_64(), .endpoint = *endpoint };
	unsigned int i;

	for (i = 0; causes[i] != cause; i++)
		if (i == IPMESH_LAST_CAUSES - 1)
			return;
	inner_address(&packet.inner, skb, cause == IPMESH_A_DROPS_NO_PEER);
	/* on PREEMPT_RT others may come between on this CPU */
	preempt_disable();
	write_seqcount_begin(&last->seq);
	last->packets[i] = packet;
	write_seqcount_end(&last->seq);
	preempt_enable();
}

/* The newest of all CPUs; false when there is none. */
static bool newest(const struct ipmesh_dev *ipm, unsigned int i,
		   struct ipmesh_last_packet *found)
{
	int cpu;

	found->when = 0;
	for_each_possible_cpu(cpu) {
		const struct ipmesh_last *last = &per_cpu_ptr(ipm->drops, cpu)->last;
		struct ipmesh_last_packet packet;
		unsigned int seq;

		do {
			seq = read_seqcount_begin(&last->seq);
			packet = last->packets[i];
		} while (read_seqcount_retry(&last->seq, seq));
		if (packet.when > found->when)
			*found = packet;
	}
	return found->when;
}

/**
 * ipmesh_last_size - room that ipmesh_last_fill() needs
 *
 * Return: bytes.
 */
size_t ipmesh_last_size(void)
{
	return IPMESH_LAST_CAUSES *
	       nla_total_size(nla_total_size(sizeof(u32)) +		/* CAUSE */
			      nla_total_size(sizeof(struct in6_addr)) +	/* ENDPOINT */
			      nla_total_size(sizeof(struct in6_addr)) +	/* INNER */
			      nla_total_size_64bit(sizeof(u64)));	/* AGE_MS */
}

static int fill_packet(struct sk_buff *skb, unsigned int cause,
		       const struct ipmesh_last_packet *packet)
{
	struct nlattr *nest = nla_nest_start(skb, IFLA_IPMESH_LAST);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, IPMESH_A_LAST_CAUSE, cause) ||
	    (!ipv6_addr_any(&packet->endpoint) &&
	     ipmesh_addr_put(skb, IPMESH_A_LAST_ENDPOINT, &packet->endpoint)) ||
	    (!ipv6_addr_any(&packet->inner) &&
	     ipmesh_addr_put(skb, IPMESH_A_LAST_INNER, &packet->inner)) ||
	    nla_put_u64_64bit(skb, IPMESH_A_LAST_AGE_MS,
			      jiffies64_to_msecs(get_jiffies_64() - packet->when),
			      IPMESH_A_LAST_PAD)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * ipmesh_last_fill - report the last packets
 * @skb: message under construction, inside IFLA_INFO_DATA
 * @ipm: the device
 *
 * Context: RTNL or RCU.
 * Return: 0, or -EMSGSIZE.
 */
int ipmesh_last_fill(struct sk_buff *skb, const struct ipmesh_dev *ipm)
{
	struct ipmesh_last_packet packet;
	unsigned int i;

	for (i = 0; i < IPMESH_LAST_CAUSES; i++)
		if (newest(ipm, i, &packet) && fill_packet(skb, causes[i], &packet))
			return -EMSGSIZE;
	return 0;
}
