/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_ADDR_H
#define _IPMESH_ADDR_H

#include <linux/in6.h>
#include <linux/ip.h>
#include <net/ipv6.h>
#include <net/netlink.h>

/* Addresses of either family are held as IPv6, an IPv4 one v4-mapped. */

/**
 * ipmesh_addr_is4 - whether an address is an IPv4 one
 * @addr: the address
 */
static inline bool ipmesh_addr_is4(const struct in6_addr *addr)
{
	return ipv6_addr_v4mapped(addr);
}

/**
 * ipmesh_addr_family - the family of an address
 * @addr: the address
 *
 * Return: AF_INET or AF_INET6.
 */
static inline u8 ipmesh_addr_family(const struct in6_addr *addr)
{
	return ipmesh_addr_is4(addr) ? AF_INET : AF_INET6;
}

/**
 * ipmesh_addr_get4 - the IPv4 address
 * @addr: a v4-mapped address
 *
 * Return: the address, network byte order.
 */
static inline __be32 ipmesh_addr_get4(const struct in6_addr *addr)
{
	return addr->s6_addr32[3];
}

/**
 * ipmesh_addr_any - whether an address is the unspecified one of its family
 * @addr: the address
 */
static inline bool ipmesh_addr_any(const struct in6_addr *addr)
{
	return ipmesh_addr_is4(addr) ? !ipmesh_addr_get4(addr) : ipv6_addr_any(addr);
}

/**
 * ipmesh_addr_martian4 - whether no host may have an IPv4 address
 * @addr: the address, network byte order
 *
 * Follows RFC 1122 3.2.1.3.
 */
static inline bool ipmesh_addr_martian4(__be32 addr)
{
	u8 first = ntohl(addr) >> 24;

	/* as most are: 1 to 223 */
	if (likely((u8)(first - 1) < 223 && first != 127))
		return false;
	return ipv4_is_multicast(addr) || ipv4_is_loopback(addr) ||
	       ipv4_is_lbcast(addr) || ipv4_is_zeronet(addr);
}

/**
 * ipmesh_addr_martian6 - whether no host may have an IPv6 address
 * @addr: the address; a v4-mapped one is none of IPv6
 *
 * Follows RFC 4291 2.5 and 2.7.
 */
static inline bool ipmesh_addr_martian6(const struct in6_addr *addr)
{
	return ipv6_addr_any(addr) || ipv6_addr_loopback(addr) ||
	       ipv6_addr_is_multicast(addr) || ipv6_addr_v4mapped(addr);
}

/**
 * ipmesh_addr_martian - whether no host may have an address of either family
 * @addr: the address
 */
static inline bool ipmesh_addr_martian(const struct in6_addr *addr)
{
	return ipmesh_addr_is4(addr) ? ipmesh_addr_martian4(ipmesh_addr_get4(addr)) :
				       ipmesh_addr_martian6(addr);
}

/**
 * ipmesh_addr_inside4 - whether no packet on a wire may be for an IPv4 address
 * @addr: the destination, network byte order
 *
 * A host's own network, and "this" host: RFC 1122 3.2.1.3. Groups and the broadcast of the
 * link are destinations as good as any.
 */
static inline bool ipmesh_addr_inside4(__be32 addr)
{
	return ipv4_is_loopback(addr) || ipv4_is_zeronet(addr);
}

/**
 * ipmesh_addr_inside6 - whether no packet on a wire may be for an IPv6 address
 * @addr: the destination; a v4-mapped one is none of IPv6
 *
 * Follows RFC 4291 2.5, and 2.7 for groups: the scope of an interface does not leave
 * it, and the scope 0 is reserved.
 */
static inline bool ipmesh_addr_inside6(const struct in6_addr *addr)
{
	if (unlikely(ipv6_addr_is_multicast(addr)))
		return IPV6_ADDR_MC_SCOPE(addr) <= IPV6_ADDR_SCOPE_NODELOCAL;
	if (likely(addr->s6_addr32[0] | addr->s6_addr32[1]))
		return false;
	return ipv6_addr_any(addr) || ipv6_addr_loopback(addr) || ipv6_addr_v4mapped(addr);
}

/**
 * ipmesh_addr_loopback - whether an address is of the loopback network
 * @addr: the address
 */
static inline bool ipmesh_addr_loopback(const struct in6_addr *addr)
{
	return ipmesh_addr_is4(addr) ? ipv4_is_loopback(ipmesh_addr_get4(addr)) :
				       ipv6_addr_loopback(addr);
}

/**
 * ipmesh_addr_parse - an address from an attribute
 * @attr: 4 bytes for IPv4, 16 for IPv6, network byte order
 * @addr: the result
 *
 * Return: false for another length.
 */
static inline bool ipmesh_addr_parse(const struct nlattr *attr, struct in6_addr *addr)
{
	switch (nla_len(attr)) {
	case sizeof(__be32):
		ipv6_addr_set_v4mapped(nla_get_in_addr(attr), addr);
		return true;
	case sizeof(*addr):
		*addr = nla_get_in6_addr(attr);
		return true;
	}
	return false;
}

/**
 * ipmesh_addr_put - an address as an attribute
 * @skb: message under construction
 * @type: the attribute
 * @addr: the address
 *
 * Return: 0, or -EMSGSIZE.
 */
static inline int ipmesh_addr_put(struct sk_buff *skb, int type,
				  const struct in6_addr *addr)
{
	if (ipmesh_addr_is4(addr))
		return nla_put_in_addr(skb, type, ipmesh_addr_get4(addr));
	return nla_put_in6_addr(skb, type, addr);
}

#endif /* _IPMESH_ADDR_H */
