/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipmesh

#if !defined(_IPMESH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IPMESH_TRACE_H

#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "stats.h"

/* The endpoint is the outer destination on the way out, the outer source on
 * the way in; all zero where none was found. The length is that of the inner
 * packet, or of what came where there is none.
 */
DECLARE_EVENT_CLASS(ipmesh_packet,
		    TP_PROTO(const struct net_device *dev,
			     const struct in6_addr *endpoint, unsigned int len),
		    TP_ARGS(dev, endpoint, len),
		    TP_STRUCT__entry(__array(char, dev, IFNAMSIZ)
				     __array(u8, endpoint, 16)
				     __field(unsigned int, len)),
		    TP_fast_assign(strscpy(__entry->dev, dev->name, IFNAMSIZ);
				   memcpy(__entry->endpoint, endpoint, 16);
				   __entry->len = len;),
		    TP_printk("dev=%s endpoint=%pI6c len=%u", __entry->dev,
			      __entry->endpoint, __entry->len)
);

DEFINE_EVENT(ipmesh_packet, ipmesh_xmit,
	     TP_PROTO(const struct net_device *dev,
		      const struct in6_addr *endpoint, unsigned int len),
	     TP_ARGS(dev, endpoint, len)
);

DEFINE_EVENT(ipmesh_packet, ipmesh_rcv,
	     TP_PROTO(const struct net_device *dev,
		      const struct in6_addr *endpoint, unsigned int len),
	     TP_ARGS(dev, endpoint, len)
);

TRACE_EVENT(ipmesh_drop,
	    TP_PROTO(const struct net_device *dev, const struct in6_addr *endpoint,
		     unsigned int len, unsigned int cause),
	    TP_ARGS(dev, endpoint, len, cause),
	    TP_STRUCT__entry(__array(char, dev, IFNAMSIZ)
			     __array(u8, endpoint, 16)
			     __array(char, cause, 16)
			     __field(unsigned int, len)),
	    TP_fast_assign(strscpy(__entry->dev, dev->name, IFNAMSIZ);
			   memcpy(__entry->endpoint, endpoint, 16);
			   strscpy(__entry->cause, ipmesh_stats_name(cause), 16);
			   __entry->len = len;),
	    TP_printk("dev=%s endpoint=%pI6c cause=%s len=%u", __entry->dev,
		      __entry->endpoint, __entry->cause, __entry->len)
);

#endif /* _IPMESH_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
