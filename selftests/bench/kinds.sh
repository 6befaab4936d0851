# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by guest: a node of each kind, in a namespace of its own.
#
#   sending:    frames -> pod0 10.244.0.1 | tun0 | und0 10.0.0.2 -> (gone)
#   receiving:  frames -> und0 172.16.0.2 | tun0 | pod0 11.0.0.1 -> (gone)
#
# pod0 and und0 are dummies: what is put in comes out of the one, is forwarded, and
# ends in the other. Peer N is at 172.16.0.2 + N with 11.0.0.0/26 + N*64 behind it for
# the sender, at 10.64.0.2 + N with 12.0.0.0/26 + N*64 for the receiver.
#
# kind               the routes                              as
# plain              via the router                          no tunnel: the limit
# ipip               via PEER dev tun0 onlink                Calico
# ipip-remote        a device a peer
# ipip-external      encap ip dst PEER
# vxlan              via, neigh, fdb                         flannel, Calico
# fou                via PEER dev tun0 onlink                ipip in UDP
# gre                the same, and neigh
# ipmesh             11.0.0.0/8 dev tun0, strict             apply
# ipmesh-nexthop     via PEER dev tun0 onlink, strict        peer add
# ipmesh-open        the same, open, no peers                tunl0's place
# ipmesh-udp         ipmesh, encap udp
# ipmesh-notrack     ipmesh, notrack on                      with a firewall
# With more than one peer the onlink routes go by nexthop objects: classic ones take
# time with the square of their number.

# Of these the first measures what there was without the module.
in_tree="plain ipip ipip-remote ipip-external vxlan fou gre"
ours="ipmesh ipmesh-nexthop ipmesh-open ipmesh-udp"

# lines TEMPLATE COUNT POD ENDPOINT: TEMPLATE for each peer, with its POD, its
# ENDPOINT, its NUMBER (from 1 on) and its MAC.
lines() {
	# Not awk: mawk takes time with the square of their number.
	perl -e '
		use strict;
		my ($template, $count, @first) = @ARGV;
		my ($pod, $endpoint) = map { unpack "N", pack "C4", split /\./ } @first;
		my %what = (
			POD => sub { join ".", unpack "C4", pack "N", $pod + 64 * $_[0] },
			ENDPOINT => sub { join ".", unpack "C4", pack "N", $endpoint + $_[0] },
			NUMBER => sub { $_[0] + 1 },
			MAC => sub { sprintf "66:00:%02x:%02x:%02x:%02x", unpack "C4", pack "N", $_[0] },
		);
		for my $i (0 .. $count - 1) {
			my $line = $template;
			$line =~ s/(POD|ENDPOINT|NUMBER|MAC)/$what{$1}->($i)/ge;
			print "$line\n";
		}' -- "$@"
}

# batch NS [bridge]: lines on stdin, to ip or bridge. In pieces: in user-mode Linux a
# process has but so many parts of memory.
batch() {
	split -l 20000 --filter="${2:-ip} -n $1 -batch -"
}

# node NS POD-ADDRESS UNDERLAY-ADDRESS…
node() {
	local ns=$1 a
	ip netns add "$ns"
	# shellcheck disable=SC2016
	ip netns exec "$ns" sh -c '
		cd /proc/sys/net/ipv4
		echo 1 >ip_forward
		for i in all default; do
			echo 0 >conf/$i/rp_filter
			echo 0 >conf/$i/send_redirects
			echo 1 >../ipv6/conf/$i/disable_ipv6
		done'
	{
		echo "link set lo up"
		echo "link add pod0 type dummy"
		echo "link add und0 type dummy"
		echo "link set pod0 up"
		echo "link set und0 up"
		echo "addr add $2 dev pod0"
		for a in "${@:3}"; do
			echo "addr add $a dev und0"
		done
		echo "route add default via 10.0.0.1 dev und0"
		echo "neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev und0 nud permanent"
	} | batch "$ns"
}

# tunnel NS KIND LOCAL MAC: tun0
tunnel() {
	local ns=$1 local=$3
	case $2 in
	plain | ipip-remote) return ;;
	ipip) ip -n "$ns" link add tun0 type ipip local "$local" ttl 64 ;;
	ipip-external) ip -n "$ns" link add tun0 type ipip external ;;
	gre) ip -n "$ns" link add tun0 type gre local "$local" ttl 64 ;;
	fou)
		# where it is not built in
		modprobe -q fou || true
		ip -n "$ns" fou add port 5555 ipproto 4
		ip -n "$ns" link add tun0 type ipip local "$local" ttl 64 \
			encap fou encap-sport auto encap-dport 5555 ;;
	vxlan) ip -n "$ns" link add tun0 address "$4" type vxlan id 1 local "$local" \
			dstport 4789 nolearning noudpcsum dev und0 ;;
	ipmesh | ipmesh-nexthop) ipmesh -n "$ns" link add tun0 local "$local" ;;
	ipmesh-open) ipmesh -n "$ns" link add tun0 local "$local" peers open ;;
	ipmesh-notrack) ipmesh -n "$ns" link add tun0 local "$local" notrack on ;;
	ipmesh-udp) ipmesh -n "$ns" link add tun0 local "$local" encap udp ;;
	*) die "there is no kind \"$2\"" ;;
	esac
	# The least of all kinds for all, and so the path MTU of none: what ipip does to
	# its route for each packet then ends early, which is to its advantage.
	ip -n "$ns" link set tun0 mtu 1400 up
}

# onlink NS COUNT POD ENDPOINT: routes to the peers' pods by their addresses
onlink() {
	local ns=$1
	shift
	if [ "$1" -eq 1 ]; then
		lines "route add POD/26 via ENDPOINT dev tun0 onlink" "$@" | batch "$ns"
	else
		lines "nexthop add id NUMBER via ENDPOINT dev tun0 onlink" "$@" | batch "$ns"
		lines "route add POD/26 nhid NUMBER" "$@" | batch "$ns"
	fi
}

# mesh_peers NS COUNT POD ENDPOINT
mesh_peers() {
	load peers netns "$1" dev tun0 count "$2" cidr "$3" endpoint "$4" >/dev/null
}

# peers NS KIND COUNT POD ENDPOINT LOCAL: and the routes to what is behind them
peers() {
	local ns=$1 kind=$2 local=$6 pool=${4%%.*}.0.0.0/8
	set -- "${@:3:3}"
	case $kind in
	plain) lines "route add POD/26 via 10.0.0.1 dev und0" "$@" | batch "$ns" ;;
	ipip | fou) onlink "$ns" "$@" ;;
	ipip-remote)
		{
			lines "link add tunNUMBER type ipip local $local remote ENDPOINT" "$@"
			lines "link set tunNUMBER mtu 1400 up" "$@"
			lines "route add POD/26 dev tunNUMBER" "$@"
		} | batch "$ns" ;;
	ipip-external) lines "route add POD/26 encap ip id 0 dst ENDPOINT dev tun0" "$@" | batch "$ns" ;;
	gre)
		lines "neigh add ENDPOINT lladdr ENDPOINT dev tun0 nud permanent" "$@" | batch "$ns"
		onlink "$ns" "$@" ;;
	vxlan)
		if [ "$1" -eq 1 ]; then
			lines "route add POD/26 via POD dev tun0 onlink" "$@" | batch "$ns"
		else
			lines "nexthop add id NUMBER via POD dev tun0 onlink" "$@" | batch "$ns"
			lines "route add POD/26 nhid NUMBER" "$@" | batch "$ns"
		fi
		lines "neigh add POD lladdr MAC dev tun0 nud permanent" "$@" | batch "$ns"
		lines "fdb add MAC dev tun0 dst ENDPOINT self permanent" "$@" |
			batch "$ns" bridge ;;
	ipmesh | ipmesh-udp | ipmesh-notrack)
		mesh_peers "$ns" "$@"
		ip -n "$ns" route add "$pool" dev tun0 ;;
	ipmesh-nexthop)
		mesh_peers "$ns" "$@"
		onlink "$ns" "$@" ;;
	ipmesh-open) onlink "$ns" "$@" ;;
	esac
}

# sender NS KIND COUNT
sender() {
	node "$1" 10.244.0.1/24 10.0.0.2/24
	tunnel "$1" "$2" 10.0.0.2 66:ff:ff:ff:ff:ff
	peers "$1" "$2" "$3" 11.0.0.0 172.16.0.2 10.0.0.2
	no_filter "$1"
	rules "$1"
}

# receiver NS KIND COUNT
receiver() {
	node "$1" 11.0.0.1/26 172.16.0.2/32 10.0.0.3/24
	tunnel "$1" "$2" 172.16.0.2 66:00:00:00:00:00
	peers "$1" "$2" "$3" 12.0.0.0 10.64.0.2 172.16.0.2
	ip -n "$1" neigh add 11.0.0.2 lladdr 02:00:00:00:00:0b dev pod0 nud permanent
	no_filter "$1"
	rules "$1"
}

# rules NS: with $ruleset, a firewall that tracks connections; "untracked": but not those
# of the nodes' IPIP packets
rules() {
	[ -n "$ruleset" ] || return 0
	[ "$ruleset" != untracked ] || untracked "$1"
	ip netns exec "$1" nft -f - <<-END
		table inet filter {
			set nodes {
				type ipv4_addr
				flags interval
				elements = { 10.0.0.0/8, 172.16.0.0/12 }
			}
			chain input {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				ct state invalid drop
				meta l4proto { 4, 41, gre, udp } ip saddr @nodes accept
			}
			chain forward {
				type filter hook forward priority 0; policy drop;
				ct state established,related accept
				iifname "pod0" accept
				oifname "pod0" accept
			}
			chain output {
				type filter hook output priority 0; policy accept;
				ct state established,related accept
				meta l4proto { 4, 41, gre, udp } ip daddr @nodes counter accept
			}
			chain postrouting {
				type nat hook postrouting priority 100; policy accept;
				ip saddr 10.244.0.0/16 ip daddr 192.0.2.0/24 masquerade
			}
		}
	END
}

untracked() {
	ip netns exec "$1" nft -f - <<-END
		table ip raw {
			set nodes {
				type ipv4_addr
				flags interval
				elements = { 10.0.0.0/8, 172.16.0.0/12 }
			}
			chain prerouting {
				type filter hook prerouting priority raw;
				ip protocol 4 ip saddr @nodes notrack
			}
			chain output {
				type filter hook output priority raw;
				ip protocol 4 ip daddr @nodes notrack
			}
		}
	END
}

# no_filter NS: packets of a peer come in elsewhere than its route points to
no_filter() {
	# shellcheck disable=SC2016
	ip netns exec "$1" sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'
}

# inner_offset KIND: where in a frame the inner IPv4 header is
inner_offset() {
	case $1 in
	plain) echo 14 ;;
	gre) echo 38 ;;
	fou | ipmesh-udp) echo 42 ;;
	vxlan) echo 64 ;;
	*) echo 34 ;;
	esac
}

# send NS COUNT SIZE [KEY VALUE]…: prints what load does
send() {
	local ns=$1 count=$2 size=$3
	shift 3
	load inject netns "$ns" in pod0 out und0 source 10.244.0.2 dest 11.0.0.2 \
		size "$size" peers "$count" ipv4 14 field1 30,11.0.0.2,64 "$@"
}

# receive NS KIND COUNT FRAME [KEY VALUE]…: a frame that a sender of that kind sent
receive() {
	local ns=$1 kind=$2 count=$3 frame=$4 inner
	shift 4
	inner=$(inner_offset "$kind")
	if [ "$kind" = plain ]; then
		set -- field1 26,12.0.0.2,64 "$@"
	else
		set -- inner "$inner" field1 26,10.64.0.2,1 field2 "$((inner + 12)),12.0.0.2,64" "$@"
	fi
	load inject netns "$ns" in und0 out pod0 frame "$frame" peers "$count" ipv4 14 "$@"
}

# --- pairs of families ------------------------------------------------------------
#
# "KIND PAIR": PAIR is 4 or 6 (no tunnel), 6in4, 4in6 or 6in6. The sender is fd00::2 (and
# 10.0.0.2) and has the pod fd10::2 (10.244.0.2); the receiver is fd00:1::2 (172.16.0.2)
# with fd11::2 (11.0.0.2).

# pair_node NS POD6 UNDERLAY6 POD4 UNDERLAY4…
pair_node() {
	local ns=$1 pod6=$2 underlay6=$3
	node "$ns" "${@:4}"
	# shellcheck disable=SC2016
	ip netns exec "$ns" sh -c '
		cd /proc/sys/net/ipv6
		for i in all default lo pod0 und0; do
			echo 0 >conf/$i/disable_ipv6
		done
		echo 1 >conf/all/forwarding'
	batch "$ns" <<-END
		addr add $pod6/64 dev pod0 nodad
		addr add $underlay6/64 dev und0 nodad
		route add default via fd00:0:0:99::1 dev und0 onlink
		neigh add fd00:0:0:99::1 lladdr 02:00:00:00:00:01 dev und0 nud permanent
	END
}

# pair_tunnel NS "KIND PAIR" LOCAL4 LOCAL6 REMOTE4 REMOTE6 PREFIX4 PREFIX6: to one peer,
# with the route to what is behind it
pair_tunnel() {
	local ns=$1 kind=${2% *} pair=${2#* } local=$3 remote=$5 prefix=$8 mode=sit option=()
	case $pair in
	4 | 6) return ;;
	4in6) local=$4 remote=$6 prefix=$7 mode=ip6tnl ;;
	6in6) local=$4 remote=$6 mode=ip6tnl ;;
	esac
	if [[ $kind = ipmesh* ]]; then
		ipmesh -n "$ns" link add tun0 local "$local" \
			peers "$([ "$kind" = ipmesh ] && echo strict || echo open)"
		ipmesh -n "$ns" peer add "$remote" dev tun0 cidr "$prefix" noroute
	else
		# without a destination option that nobody else sends
		[ $mode = sit ] || option=(encaplimit none)
		ip -n "$ns" link add tun0 type $mode local "$local" remote "$remote" \
			"${option[@]}"
	fi
	ip -n "$ns" link set tun0 mtu 1400 up
	ip -n "$ns" route add "$prefix" dev tun0
	no_filter "$ns"
}

pair_sender() {
	pair_node "$1" fd10::1 fd00::2 10.244.0.1/24 10.0.0.2/24
	pair_tunnel "$1" "$2" 10.0.0.2 fd00::2 172.16.0.2 fd00:1::2 11.0.0.0/26 fd11::/64
}

pair_receiver() {
	pair_node "$1" fd11::1 fd00:1::2 11.0.0.1/26 172.16.0.2/32 10.0.0.3/24
	pair_tunnel "$1" "$2" 172.16.0.2 fd00:1::2 10.0.0.2 fd00::2 10.244.0.0/26 fd10::/64
	ip -n "$1" neigh add 11.0.0.2 lladdr 02:00:00:00:00:0b dev pod0 nud permanent
	ip -n "$1" neigh add fd11::2 lladdr 02:00:00:00:00:0b dev pod0 nud permanent
}

# pair_send NS "KIND PAIR" [KEY VALUE]…
pair_send() {
	local ns=$1 pair=$2
	shift 2
	case $pair in
	*" 4" | *" 4in6") set -- source 10.244.0.2 dest 11.0.0.2 "$@" ;;
	*) set -- source fd10::2 dest fd11::2 "$@" ;;
	esac
	load inject netns "$ns" in pod0 out und0 size 64 "$@"
}

# --- from socket to socket ----------------------------------------------------------
#
#   pa 10.244.0.2 -- cali0 n1 und0 10.0.0.2 ---- 10.0.0.3 und0 n2 cali0 -- pb 11.0.0.2

# two_nodes KIND
two_nodes() {
	local kind=$1 ns
	for ns in pa n1 n2 pb; do
		ip netns add "$ns"
		# shellcheck disable=SC2016
		ip netns exec "$ns" sh -c '
			cd /proc/sys/net/ipv4
			echo 1 >ip_forward
			for i in all default; do
				echo 0 >conf/$i/rp_filter
				echo 1 >../ipv6/conf/$i/disable_ipv6
			done'
		ip -n "$ns" link set lo up
	done
	cable pa eth0 1 n1 cali0 2 1400
	cable pb eth0 3 n2 cali0 4 1400
	cable n1 und0 5 n2 und0 6 1500
	ends_addresses pa eth0 10.244.0.2/24 10.244.0.1 2 n1 cali0 10.244.0.1/24 10.244.0.2 1
	ends_addresses pb eth0 11.0.0.2/26 11.0.0.1 4 n2 cali0 11.0.0.1/26 11.0.0.2 3
	ends_addresses n1 und0 10.0.0.2/24 10.0.0.3 6 n2 und0 10.0.0.3/24 10.0.0.2 5
	ip -n pa route add default via 10.244.0.1
	ip -n pb route add default via 11.0.0.1
	if [ "$kind" = plain ]; then
		ip -n n1 route add 11.0.0.0/26 via 10.0.0.3
		ip -n n2 route add 10.244.0.0/26 via 10.0.0.2
		return
	fi
	[ "$kind" != wireguard ] || wireguard_keys
	ends_tunnel n1 "$kind" 10.0.0.2 10.0.0.3 11.0.0.0 01 02
	ends_tunnel n2 "$kind" 10.0.0.3 10.0.0.2 10.244.0.0 02 01
	no_filter n1
	no_filter n2
}

# cable NS1 DEV1 N1 NS2 DEV2 N2 MTU: link-layer addresses end with N
cable() {
	ip link add "$2" netns "$1" mtu "$7" address "02:00:00:00:00:0$3" \
		type veth peer "$5" netns "$4" mtu "$7" address "02:00:00:00:00:0$6"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

# ends_addresses NS DEV ADDRESS NEIGHBOUR N, twice
ends_addresses() {
	while [ $# -gt 0 ]; do
		batch "$1" <<-END
			addr add $3 dev $2
			neigh add $4 lladdr 02:00:00:00:00:0$5 dev $2 nud permanent
		END
		shift 5
	done
}

wireguard_keys() {
	local n
	for n in n1 n2; do
		(umask 077 && wg genkey >"/tmp/$n.key")
		wg pubkey <"/tmp/$n.key" >"/tmp/$n.pub"
	done
}

# ends_tunnel NS KIND LOCAL REMOTE POD MAC OTHER-MAC
ends_tunnel() {
	local ns=$1 kind=$2 local=$3 remote=$4 pod=$5 other=n1
	case $kind in
	wireguard)
		[ "$ns" = n2 ] || other=n2
		ip -n "$ns" link add tun0 type wireguard
		ip netns exec "$ns" wg set tun0 private-key "/tmp/$ns.key" listen-port 51820 \
			peer "$(cat "/tmp/$other.pub")" endpoint "$remote:51820" \
			allowed-ips "$pod/26"
		ip -n "$ns" link set tun0 mtu 1400 up
		ip -n "$ns" route add "$pod/26" dev tun0 ;;
	vxlan)
		tunnel "$ns" vxlan "$local" "66:ff:ff:ff:ff:$6"
		ip -n "$ns" route add "$pod/26" via "$pod" dev tun0 onlink
		ip -n "$ns" neigh add "$pod" lladdr "66:ff:ff:ff:ff:$7" dev tun0 nud permanent
		bridge -n "$ns" fdb add "66:ff:ff:ff:ff:$7" dev tun0 dst "$remote" self permanent ;;
	ipip-remote)
		ip -n "$ns" link add tun0 type ipip local "$local" remote "$remote"
		ip -n "$ns" link set tun0 mtu 1400 up
		ip -n "$ns" route add "$pod/26" dev tun0 ;;
	*)
		tunnel "$ns" "$kind" "$local"
		peers "$ns" "$kind" 1 "$pod" "$remote" "$local" ;;
	esac
}
