#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor" and the firewall of the host: nftables, iptables-nft and
# iptables-legacy.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: rules and policies that drop what the tunnel sends or receives are
# found, those that let it pass or are about something else are not, for endpoints and
# outer prefixes; packets are really dropped where a problem is found, and pass after
# its command.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

nft() {
	in_ns "$a" nft "$@"
}

# rules: from stdin
rules() {
	cat >"$tmp/rules"
	in_ns "$a" nft -f "$tmp/rules"
}

# passes: both ways, and nothing is found
passes() {
	pings "$b" 10.244.1.1
	healthy "$a"
}

# drops CHECK TEXT: nothing of b arrives, or nothing leaves; the command mends it
drops() {
	ping_fails "$b" "1 sent, 0 received" 10.244.1.1 wait 200
	mends "$a" problem "$1" "$2"
	passes
}

nftables() {
	nodes
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				iifname "ipmesh0" accept
			}
		}
	END
	drops firewall_in "inet t in drops IP protocol 4 from 1 peer of ipmesh0: 172.16.40.2"
	nft flush chain inet t in
	# accepted in a chain of its own, by sets and prefixes
	rules <<-END
		table inet t {
			set nodes { type ipv4_addr; flags interval; elements = { 172.16.40.0/24 } }
			chain tunnels { ip saddr @nodes meta l4proto { 4, 41 } counter accept; }
			chain in {
				ct state vmap { established : accept, invalid : drop }
				iifname { "lo", "ipmesh0" } accept
				tcp dport 22 accept
				iifname "eth*" jump tunnels
				log prefix "dropped "
			}
		}
	END
	nft insert rule inet t in ct state established,related accept
	passes
	# not this peer
	nft delete element inet t nodes '{ 172.16.40.0/24 }'
	nft add element inet t nodes '{ 172.16.40.3, 172.16.41.0/24 }'
	nft delete rule inet t in handle "$(nft -a list chain inet t in | sed -n 's/.*related accept # handle //p')"
	finds "$a" problem firewall_in
	nft add element inet t nodes '{ 172.16.40.2 }'
	passes
	nft delete table inet t
	# a rule, of this protocol or of another
	rules <<-END
		table ip t {
			chain in { type filter hook input priority 0; policy accept;
				ip protocol udp drop
				ip saddr 172.16.40.9 drop
				ip saddr 172.16.40.1-172.16.40.4 ip protocol 4 jump no
			}
			chain no { ip daddr != 172.16.40.1 accept; reject; }
		}
	END
	# an ICMP error comes back
	finds "$a" problem firewall_in
	mends "$a" problem firewall_in "ip t in drops"
	passes
	nft delete table ip t
	# out
	rules <<-END
		table ip t {
			chain out { type filter hook output priority 0; policy accept;
				oifname "eth0" meta l4proto 4 drop
			}
		}
	END
	drops firewall_out "ip t out drops IP protocol 4 to 1 peer"
	nft delete table ip t
	# before routing
	rules <<-END
		table inet t {
			chain pre { type filter hook prerouting priority raw; policy accept;
				meta nfproto ipv4 ip protocol 4 drop
			}
		}
	END
	drops firewall_in "inet t pre drops"
	nft delete table inet t
	# IPv6 and other devices are nobody's business here
	rules <<-END
		table ip6 t { chain in { type filter hook input priority 0; policy drop; }
		}
		table inet u { chain in { type filter hook input priority 0; policy accept;
			iifname != { "eth0", "ipmesh0" } drop
			meta nfproto ipv6 drop
			udp dport 5555 drop
			}
		}
	END
	healthy "$a"
	pings "$b" 10.244.1.1
}

# The port, where that is what carries.
udp() {
	nodes
	in_ns "$a" ipmesh link set ipmesh0 encap udp
	in_ns "$b" ipmesh link set ipmesh0 encap udp
	healthy "$a"
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				udp dport { 53, 6000-6100 } accept
				meta l4proto 4 accept
				iifname "ipmesh0" accept
			}
		}
	END
	drops firewall_in "drops UDP port 5555"
}

# What cannot be judged is no problem as long as the peer is heard.
unsure() {
	nodes
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				iifname "ipmesh0" accept
				meta mark 0x7 accept
			}
		}
	END
	by_hand "$a" warning firewall_in "may drop"
	nft flush chain inet t in
	nft add rule inet t in iifname ipmesh0 accept
	nft add rule inet t in meta mark 0 accept
	by_hand "$a" warning firewall_in "may drop"
	passes
	# and what drops by something that is not known is none at all
	nft delete table inet t
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy accept;
				meta mark 0x7 drop
				limit rate over 1000/second drop
			}
		}
	END
	healthy "$a"
}

# With notrack no state lets the tunnel in but "untracked".
untracked() {
	nodes
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				ct state established,related accept
				ct state new ip saddr 172.16.40.2 accept
				iifname "ipmesh0" accept
			}
			chain out { type filter hook output priority 0; policy drop;
				ct state vmap { new : accept, established : accept }
			}
		}
	END
	passes
	in_ns "$a" ipmesh link set ipmesh0 notrack on
	ping_fails "$b" "1 sent, 0 received" 10.244.1.1 wait 200
	mends "$a" problem firewall_out "inet t out drops IP protocol 4"
	mends "$a" problem firewall_in "inet t in drops IP protocol 4"
	passes
	nft flush chain inet t in
	nft add rule inet t in ct state untracked ip protocol 4 accept
	nft add rule inet t in iifname ipmesh0 accept
	passes
	in_ns "$a" ipmesh link set ipmesh0 notrack off
	ping_fails "$b" "1 sent, 0 received" 10.244.1.1 wait 200
	finds "$a" problem firewall_in
}

# iptables: $ipt
iptables_rules() {
	nodes
	in_ns "$a" "$ipt" -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	in_ns "$a" "$ipt" -A INPUT -i ipmesh0 -m comment --comment "of the host" -j ACCEPT
	in_ns "$a" "$ipt" -A INPUT -p udp --dport 5555 -j ACCEPT
	healthy "$a"
	in_ns "$a" "$ipt" -P INPUT DROP
	drops firewall_in "filter INPUT drops IP protocol 4"
	contains "command" "$(in_ns "$a" "$ipt" -S INPUT)" "-A INPUT -s 172.16.40.2/32 -p ipencap -j ACCEPT"
	in_ns "$a" "$ipt" -F
	in_ns "$a" "$ipt" -P INPUT ACCEPT
	in_ns "$a" "$ipt" -N tunnels
	in_ns "$a" "$ipt" -A INPUT -p 4 -j tunnels
	in_ns "$a" "$ipt" -A tunnels -s 172.16.41.0/24 -j DROP
	in_ns "$a" "$ipt" -A tunnels -s 172.16.40.0/24 -i eth+ -j RETURN
	in_ns "$a" "$ipt" -A tunnels -j DROP
	passes
	in_ns "$a" "$ipt" -I tunnels ! -s 172.16.40.9 -m comment --comment x -j REJECT
	finds "$a" problem firewall_in
	mends "$a" problem firewall_in "filter INPUT drops"
	passes
	in_ns "$a" "$ipt" -F
	in_ns "$a" "$ipt" -A OUTPUT -p 4 -d 172.16.40.2 -j DROP
	drops firewall_out "filter OUTPUT drops"
	in_ns "$a" "$ipt" -F
	in_ns "$a" "$ipt" -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
	in_ns "$a" "$ipt" -A INPUT -i ipmesh0 -j ACCEPT
	in_ns "$a" "$ipt" -P INPUT DROP
	pings "$b" 10.244.1.1
	in_ns "$a" ipmesh link set ipmesh0 notrack on
	drops firewall_in "filter INPUT drops IP protocol 4"
	in_ns "$a" "$ipt" -F
	in_ns "$a" "$ipt" -A INPUT -i ipmesh0 -j ACCEPT
	in_ns "$a" "$ipt" -A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT
	passes
	in_ns "$a" "$ipt" -R INPUT 2 -m state --state UNTRACKED -j ACCEPT
	passes
	in_ns "$a" ipmesh link set ipmesh0 notrack off
	ping_fails "$b" "1 sent, 0 received" 10.244.1.1 wait 200
	finds "$a" problem firewall_in
}

iptables_nft() {
	ipt=iptables-nft iptables_rules
}

iptables_legacy() {
	local before
	ipt=iptables-legacy iptables_rules
	# asking makes no tables
	setup_ns c
	before=$(in_ns "$c" cat /proc/net/ip_tables_names)
	doctor "$c" >/dev/null || true
	equal "tables" "$(in_ns "$c" cat /proc/net/ip_tables_names)" "$before"
}

# What a balancer sends comes from a prefix of its own.
outer_prefix() {
	nodes
	mesh -n "$a" peer set ipmesh0 172.16.40.2 from 172.20.0.0/16
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				iifname "ipmesh0" accept
				ip saddr 172.16.40.2 meta l4proto 4 accept
			}
		}
	END
	mends "$a" problem firewall_in \
		"inet t in drops IP protocol 4 from 1 peer of ipmesh0: 172.20.0.0/16"
	contains "the rule" "$(nft list chain inet t in)" "172.20.0.0/16"
	passes
}

run_tests nftables udp unsure untracked iptables_nft iptables_legacy outer_prefix
