#include "ws/accept.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 64, LENGTH_AT = BLOCK - 8, KEY_MAX = 64 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
	return (word << bits) | (word >> (32 - bits));
}

static uint32_t load(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store(unsigned char *p, uint32_t word)
{
	p[0] = (unsigned char)(word >> 24);
	p[1] = (unsigned char)(word >> 16);
	p[2] = (unsigned char)(word >> 8);
	p[3] = (unsigned char)word;
}

/* The function and the constant of round t. */
static uint32_t mix(unsigned t, uint32_t b, uint32_t c, uint32_t d)
{
	switch (t / 20) {
	case 0: return ((b & c) | (~b & d)) + 0x5a827999;
	case 1: return (b ^ c ^ d) + 0x6ed9eba1;
	case 2: return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	default: return (b ^ c ^ d) + 0xca62c1d6;
	}
}

static void add_block(uint32_t hash[5], const unsigned char *block)
{
	uint32_t w[80], a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];

	for (unsigned t = 0; t < 80; t++) {
		uint32_t next;

		w[t] = t < 16 ? load(block + 4 * (size_t)t)
		              : rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
		next = rotate(a, 5) + mix(t, b, c, d) + e + w[t];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	hash[0] += a;
	hash[1] += b;
	hash[2] += c;
	hash[3] += d;
	hash[4] += e;
}

void ws_sha1(struct str message, unsigned char out[WS_SHA1_SIZE])
{
	uint32_t hash[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	uint64_t bits = (uint64_t)message.n * 8;
	unsigned char last[2 * BLOCK] = { 0 };
	size_t last_size;

	for (; message.n >= BLOCK; message.p += BLOCK, message.n -= BLOCK) {
		add_block(hash, (const unsigned char *)message.p);
	}
	if (message.n > 0) {
		memcpy(last, message.p, message.n);
	}
	last[message.n] = 0x80;
	last_size = message.n < LENGTH_AT ? BLOCK : sizeof(last);
	store(last + last_size - 8, (uint32_t)(bits >> 32));
	store(last + last_size - 4, (uint32_t)bits);
	for (size_t at = 0; at < last_size; at += BLOCK) {
		add_block(hash, last + at);
	}
	for (size_t i = 0; i < 5; i++) {
		store(out + 4 * i, hash[i]);
	}
}

/* RFC 4648 section 4, of a digest: 6 whole groups and one of two bytes. */
static void base64(const unsigned char digest[WS_SHA1_SIZE], char out[WS_ACCEPT_SIZE])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char in[WS_SHA1_SIZE + 1] = { 0 };

	memcpy(in, digest, WS_SHA1_SIZE);
	for (size_t i = 0; i < sizeof(in); i += 3) {
		uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

		for (unsigned k = 0; k < 4; k++) {
			*out++ = digits[group >> (18 - 6 * k) & 63];
		}
	}
	out[-1] = '=';
	*out = '\0';
}

void ws_accept(struct str key, char out[WS_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_MAX + sizeof(guid)];
	unsigned char digest[WS_SHA1_SIZE];

	assert(key.n <= KEY_MAX);
	memcpy(text, key.p, key.n);
	memcpy(text + key.n, guid, sizeof(guid));
	ws_sha1(str_make(text, key.n + sizeof(guid) - 1), digest);
	base64(digest, out);
}
