/* What kind of network an address belongs to (RFC 6890, RFC 4291). Pure. */
#pragma once

#include <sys/socket.h>

enum fetch_net {
	FETCH_NET_LOOPBACK, /* this machine */
	FETCH_NET_LINK,     /* this link, and where clouds tell a machine its credentials */
	FETCH_NET_PRIVATE,  /* this site, or nobody's: not for strangers to reach */
	FETCH_NET_PUBLIC,
};

/* Of an IPv4 or IPv6 address; one that carries an IPv4 address is what that is. Others are
 * private. */
enum fetch_net fetch_net_of(const struct sockaddr *address);
