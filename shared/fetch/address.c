#include "fetch/address.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct block {
	uint32_t address;
	unsigned bits;
};

/* RFC 6890 section 2.2.2 and its successors in the registry; multicast and beyond too. */
static const struct block not_public[] = {
	{ 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0xac100000, 12 },
	{ 0xc0000000, 24 }, { 0xc0000200, 24 }, { 0xc0586300, 24 }, { 0xc0a80000, 16 },
	{ 0xc6120000, 15 }, { 0xc6336400, 24 }, { 0xcb007100, 24 }, { 0xe0000000, 3 },
};

static bool is_within(uint32_t address, struct block block)
{
	return (address ^ block.address) >> (32 - block.bits) == 0;
}

/* RFC 3927, and where clouds answer elsewhere. */
static bool is_on_link(uint32_t address)
{
	static const struct block link[] = { { 0xa9fe0000, 16 },
		                             { 0x646464c8, 32 },
		                             { 0xc00000c0, 32 } };

	for (size_t i = 0; i < ARRAY_LEN(link); i++) {
		if (is_within(address, link[i])) {
			return true;
		}
	}
	return false;
}

static enum fetch_net net_of_v4(uint32_t address)
{
	if (is_within(address, (struct block){ 0x7f000000, 8 })) {
		return FETCH_NET_LOOPBACK;
	}
	if (is_on_link(address)) {
		return FETCH_NET_LINK;
	}
	for (size_t i = 0; i < ARRAY_LEN(not_public); i++) {
		if (is_within(address, not_public[i])) {
			return FETCH_NET_PRIVATE;
		}
	}
	return FETCH_NET_PUBLIC;
}

static uint32_t v4_at(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static enum fetch_net net_of_v6(const unsigned char b[16])
{
	static const unsigned char zero[15], mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const unsigned char metadata[16] = {
		0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54
	};

	if (memcmp(b, zero, sizeof(zero)) == 0 && b[15] == 1) {
		return FETCH_NET_LOOPBACK;
	}
	if (memcmp(b, mapped, sizeof(mapped)) == 0 || memcmp(b, nat64, sizeof(nat64)) == 0) {
		return net_of_v4(v4_at(b + 12));
	}
	/* fe80::/10, and fd00:ec2::254. */
	if ((b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || memcmp(b, metadata, sizeof(metadata)) == 0) {
		return FETCH_NET_LINK;
	}
	/* 6to4 (2002::/16), and what is reserved for protocols (2001::/23) or books
	 * (2001:db8::/32). */
	if ((b[0] & 0xe0) != 0x20 || (b[0] == 0x20 && b[1] == 0x02) ||
	    (b[0] == 0x20 && b[1] == 0x01 && b[2] <= 0x01) ||
	    (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8)) {
		return FETCH_NET_PRIVATE;
	}
	return FETCH_NET_PUBLIC;
}

enum fetch_net fetch_net_of(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return net_of_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		return net_of_v6(v6.sin6_addr.s6_addr);
	}
	return FETCH_NET_PRIVATE;
}
