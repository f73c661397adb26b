#include "streamer/wire.h"

void wire_put(struct buf *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		buf_add_char(out, (char)(value >> (8 * i) & 0xff));
	}
}

void wire_put_str(struct buf *out, struct str value)
{
	wire_put(out, value.n, 4);
	buf_add_str(out, value);
}

uint64_t wire_get(struct wire *wire, unsigned bytes)
{
	uint64_t value = 0;

	if (wire->bad || wire->in.n < bytes) {
		wire->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++) {
		value |= (uint64_t)(unsigned char)wire->in.p[i] << (8 * i);
	}
	wire->in = str_make(wire->in.p + bytes, wire->in.n - bytes);
	return value;
}

struct str wire_get_str(struct wire *wire, size_t max)
{
	uint64_t n = wire_get(wire, 4);
	struct str value;

	if (n > max || n > wire->in.n) {
		wire->bad = true;
	}
	if (wire->bad) {
		return STR_LIT("");
	}
	value = str_make(wire->in.p, (size_t)n);
	wire->in = str_make(wire->in.p + n, wire->in.n - (size_t)n);
	return value;
}
