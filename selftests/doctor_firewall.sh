#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor --probe" and the firewall of the host: nftables, iptables-nft and
# iptables-legacy.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: where a rule or a policy drops what the tunnel sends or receives, or what pods
# send or receive through it, the table, the chain and the rule are named, in, forward and
# out, with each encapsulation and family; where all pass nothing is found; --fix leaves
# firewalls alone; nothing that was made for asking stays.
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

# ask: as look(), and every peer is asked
ask() {
	local rc=0
	doctor "$a" --probe -j >"$tmp/found" || rc=$?
	equal "status of doctor" "$rc" $(($(jq .problems "$tmp/found") > 0))
}

passes() {
	prints "nothing found" doctor "$a" --probe
}

# drops CHECK TEXT…: CHECK is a problem, and the firewall says each TEXT
drops() {
	local check=$1 text
	shift
	ask
	equal "severity of $check in $(jq -c .findings "$tmp/found")" \
		"$(found "$check" severity)" problem
	for text; do
		contains "firewall" "$(found firewall what)" "$text"
	done
	equal "commands" "$(found firewall 'commands[]')" ""
}

# owned_tables: does a table go with the program that made it?
owned_tables() {
	nft 'table inet owned { flags owner; }' 2>/dev/null
}

# cluster: the two nodes, each with the blackhole that tells its block
cluster() {
	modprobe tun
	nodes
	ip -n "$a" route add blackhole 10.244.1.0/24 metric 4294967295 proto 98
	ip -n "$b" route replace 10.244.1.0/24 via 172.16.40.1 dev ipmesh0 onlink
	passes
}

outer() {
	cluster
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				iifname "ipmesh0" accept
			}
		}
	END
	drops peer_unreachable \
		"the tunnel's packets (IP protocol 4): inet t in, input drops 172.16.40.2 > 172.16.40.1: its policy is drop"
	nft add rule inet t in ip saddr 172.16.40.2 meta l4proto 4 accept
	passes
	nft delete table inet t
	# a rule in a chain of its own, which answers
	rules <<-END
		table ip t {
			chain in { type filter hook input priority 0; policy accept;
				ip saddr 172.16.40.1-172.16.40.4 ip protocol 4 jump no
			}
			chain no { ip daddr != 172.16.40.1 accept; reject; }
		}
	END
	drops peer_unreachable "ip t no drops 172.16.40.2 > 172.16.40.1 by its rule" ": reject"
	nft delete table ip t
	rules <<-END
		table ip t {
			chain out { type filter hook output priority 0; policy accept;
				oifname "eth0" meta l4proto 4 drop
			}
		}
	END
	drops peer_unreachable "ip t out, output drops 172.16.40.1 > 172.16.40.2 by its rule" \
		'oifname "eth0" meta l4proto'
	nft delete table ip t
	# before routing
	rules <<-END
		table inet t {
			chain pre { type filter hook prerouting priority raw; policy accept;
				meta nfproto ipv4 ip protocol 4 drop
			}
		}
	END
	drops peer_unreachable "inet t pre, prerouting drops 172.16.40.2 > 172.16.40.1 by its rule"
	nft delete table inet t
	# others' packets are nobody's business here
	rules <<-END
		table ip6 t { chain in { type filter hook input priority 0; policy drop; }
		}
		table inet u { chain in { type filter hook input priority 0; policy accept;
			iifname != { "eth0", "ipmesh0" } drop
			udp dport 5555 drop
			}
		}
	END
	passes
}

# The port, where that is what carries.
udp() {
	cluster
	in_ns "$a" ipmesh link set ipmesh0 encap udp
	in_ns "$b" ipmesh link set ipmesh0 encap udp
	passes
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				udp dport { 53, 6000-6100 } accept
				meta l4proto 4 accept
				iifname "ipmesh0" accept
			}
		}
	END
	drops peer_unreachable "the tunnel's packets (UDP): inet t in, input drops 172.16.40.2 > 172.16.40.1"
}

# With notrack no state lets the tunnel in but "untracked".
untracked() {
	cluster
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy drop;
				ct state established,related accept
				ct state new ip saddr 172.16.40.2 accept
				iifname "ipmesh0" accept
			}
		}
	END
	passes
	in_ns "$a" ipmesh link set ipmesh0 notrack on
	drops peer_unreachable "inet t in, input drops 172.16.40.2 > 172.16.40.1: its policy is drop"
}

# What is inside: the host's own, and what it forwards for pods.
inner() {
	local before
	cluster
	rules <<-END
		table inet t {
			chain in { type filter hook input priority 0; policy accept;
				iifname "ipmesh0" counter drop
			}
		}
	END
	drops peer_unreachable \
		"packets of pods or of this host to pods: inet t in, input drops 10.244.2.1 > 10.244.1.1 by its rule"
	nft delete table inet t
	# as Docker has it: the host reaches all, and pods do not
	in_ns "$a" iptables-nft -P FORWARD DROP
	pings "$a" 10.244.2.1
	before=$(nft list ruleset)
	drops pods_unreachable \
		"ip filter FORWARD, forward drops 10.244.1.254 > 10.244.2.1: its policy is drop"
	equal "peers that do not answer" "$(found peer_unreachable what)" ""
	equal "rules after --fix" "$(doctor "$a" --probe --fix >/dev/null || nft list ruleset)" "$before"
	in_ns "$a" iptables-nft -A FORWARD -i ipmesh0 -j ACCEPT
	in_ns "$a" iptables-nft -A FORWARD -o ipmesh0 -j ACCEPT
	passes
	in_ns "$a" iptables-nft -F
	in_ns "$a" iptables-nft -P FORWARD ACCEPT
	# as firewalld: it answers
	rules <<-END
		table inet firewalld {
			chain filter_FORWARD { type filter hook forward priority 10; policy accept;
				ct state established,related accept
				iifname "ipmesh0" accept
				reject with icmpx admin-prohibited
			}
		}
	END
	drops pods_unreachable "inet firewalld filter_FORWARD, forward drops 10.244.1.254 > 10.244.2.1 by its rule"
	contains "error" "$(found pods_unreachable what)" "administratively prohibited"
}

# Both families inside, and IPv6 outside.
ipv6() {
	modprobe tun
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	ip -n "$a" addr add fd00::1/64 dev eth0 nodad
	ip -n "$b" addr add fd00::2/64 dev eth0 nodad
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	in_ns "$b" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	in_ns "$a" ipmesh link add ipmesh0 local fd00::1 address 10.244.1.1/32 address fd10:1::1/128
	in_ns "$b" ipmesh link add ipmesh0 local fd00::2 address 10.244.2.1/32 address fd10:2::1/128
	in_ns "$a" ipmesh peer add fd00::2 cidr 10.244.2.0/24 cidr fd10:2::/64 route
	in_ns "$b" ipmesh peer add fd00::1 cidr 10.244.1.0/24 cidr fd10:1::/64 route
	ip -n "$a" route add blackhole 10.244.1.0/24 metric 4294967295 proto 98
	ip -n "$a" route add blackhole fd10:1::/64 metric 4294967295 proto 98
	passes
	in_ns "$a" ip6tables-nft -P FORWARD DROP
	drops pods_unreachable "ip6 filter FORWARD, forward drops fd10:1::ffff:ffff:ffff:fffe > fd10:2::1: its policy is drop"
	in_ns "$a" ip6tables-nft -P FORWARD ACCEPT
	rules <<-END
		table ip6 t {
			chain in { type filter hook input priority 0; policy accept;
				meta l4proto 41 drop
			}
		}
	END
	drops peer_unreachable "the tunnel's packets (IP protocol 41): ip6 t in, input drops fd00::2 > fd00::1"
	nft delete table ip6 t
	in_ns "$a" ipmesh link set ipmesh0 encap udp
	in_ns "$b" ipmesh link set ipmesh0 encap udp
	rules <<-END
		table ip6 t {
			chain in { type filter hook input priority 0; policy accept;
				udp dport 5555 drop
			}
		}
	END
	drops peer_unreachable "the tunnel's packets (UDP): ip6 t in, input drops fd00::2 > fd00::1"
}

# A card that cuts segments wrongly: what it made of them arrives nowhere.
segments() {
	cluster
	in_ns "$b" nft 'table ip t { chain in { type filter hook input priority 0; ip protocol tcp meta length > 1000 drop; }; }'
	ask
	contains "segments" "$(found segments what)" "large TCP segments to 10.244.2.1 are lost"
	equal "firewall" "$(found firewall what)" ""
}

# iptables-legacy cannot be traced: that it is there is told, when something is silent.
legacy() {
	local before
	modprobe -q ip_tables || skip "this kernel has no ip_tables for iptables-legacy"
	cluster
	before=$(in_ns "$a" cat /proc/net/ip_tables_names)
	passes
	equal "tables" "$(in_ns "$a" cat /proc/net/ip_tables_names)" "$before"
	in_ns "$a" iptables-legacy -A INPUT -i ipmesh0 -j ACCEPT
	passes
	in_ns "$a" iptables-legacy -P INPUT DROP
	ask
	contains "peer" "$(found peer_unreachable what)" "does not answer"
	contains "legacy" "$(found firewall_legacy by_hand)" "iptables-legacy -L -n -v"
}

# drops_all NAME: a chain of that name in a drops what comes in
drops_all() {
	cat >"$tmp/rules" <<-END
		{"nftables": [{"add": {"table": {"family": "inet", "name": "t"}}},
		{"add": {"chain": {"family": "inet", "table": "t", "name": "$1",
			"type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}}]}
	END
	in_ns "$a" nft -j -f "$tmp/rules"
	drops peer_unreachable "its policy is drop"
}

# Names are the kernel's to allow, and no shell's nor nft's to read.
odd_names() {
	cluster
	drops_all "in'; touch $tmp/pwned; flush ruleset; echo '"
	nft delete table inet t
	# one that goes on in nft's own language, where what it begins with is there
	nft "add table ip kept; add table inet t; add chain inet t in"
	drops_all "in; delete table ip kept"
	doctor "$a" --probe --fix >/dev/null || true
	[ ! -e "$tmp/pwned" ]
	contains "tables" "$(nft list tables)" "table ip kept"
}

# What was made for asking goes, also when the program is killed in the middle.
leaves_nothing() {
	local links rules
	cluster
	mesh -n "$b" peer del ipmesh0 172.16.40.1
	links=$(ip -n "$a" -o link | wc -l)
	rules=$(nft list ruleset)
	doctor "$a" --probe >/dev/null || true
	equal "links" "$(ip -n "$a" -o link | wc -l)" "$links"
	equal "rules" "$(nft list ruleset)" "$rules"
	start "$a" ipmesh probe 172.16.40.2 timeout 60000 count 1
	busywait has_table
	kill -9 "$pid"
	wait "$pid" || true
	# where it has no owner the next one takes it away
	owned_tables || doctor "$a" --probe >/dev/null || true
	busywait is "$rules" nft list ruleset
	equal "links" "$(ip -n "$a" -o link | wc -l)" "$links"
}

has_table() {
	[[ $(nft list tables) == *ipmesh-trace* ]]
}

run_tests outer udp untracked inner ipv6 segments legacy odd_names leaves_nothing
