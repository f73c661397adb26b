#include "worker/agent_wire.h"

#include <string.h>

enum step {
	STEP_STATUS,
	STEP_FIELDS,
	STEP_PLAIN,
	STEP_SIZE,
	STEP_CHUNK,
	STEP_CHUNK_END,
	STEP_END,
	STEP_BROKEN
};

void agent_wire_init(struct agent_wire *wire)
{
	*wire = (struct agent_wire){ .step = STEP_STATUS };
	buf_init(&wire->line, AGENT_WIRE_HEAD_MAX);
}

void agent_wire_fini(struct agent_wire *wire)
{
	buf_fini(&wire->line);
}

static enum agent_wired broken(struct agent_wire *wire)
{
	wire->step = STEP_BROKEN;
	return AGENT_WIRED_BROKEN;
}

/* A whole line, without its break, in wire->line; false: it goes on. */
static bool take_line(struct agent_wire *wire, struct str *in)
{
	const char *end = in->n > 0 ? memchr(in->p, '\n', in->n) : NULL;
	size_t n = end != NULL ? (size_t)(end - in->p) : in->n;

	buf_add(&wire->line, in->p, n);
	*in = str_make(in->p + n + (end != NULL), in->n - n - (end != NULL));
	if (end != NULL && wire->line.len > 0 && wire->line.data[wire->line.len - 1] == '\r') {
		wire->line.len--;
	}
	return end != NULL;
}

static bool read_status(struct agent_wire *wire)
{
	struct str rest = buf_str(&wire->line);
	struct str version = str_split(&rest, ' '), code = str_split(&rest, ' ');
	uint64_t status;

	if (!str_starts(version, STR_LIT("HTTP/1.")) || !parse_u64(code, 599, &status) ||
	    status < 100) {
		return false;
	}
	wire->status = (unsigned)status;
	return true;
}

static void read_field(struct agent_wire *wire)
{
	struct str value = buf_str(&wire->line);
	struct str name = str_split(&value, ':');

	value = str_trim(value);
	if (str_eq_nocase(name, STR_LIT("content-type"))) {
		wire->is_events = str_starts(value, STR_LIT("text/event-stream"));
	} else if (str_eq_nocase(name, STR_LIT("transfer-encoding"))) {
		wire->chunked = str_eq_nocase(value, STR_LIT("chunked"));
	}
}

static bool read_size(struct agent_wire *wire)
{
	struct str rest = buf_str(&wire->line);

	return parse_hex_u64(str_trim(str_split(&rest, ';')), &wire->left) &&
	       wire->left <= UINT32_MAX;
}

/* What a whole line means where it stands. */
static enum agent_wired use_line(struct agent_wire *wire)
{
	enum agent_wired is = AGENT_WIRED_MORE;
	bool ok = true;

	switch ((enum step)wire->step) {
	case STEP_STATUS:
		ok = read_status(wire);
		wire->step = STEP_FIELDS;
		break;
	case STEP_FIELDS:
		if (wire->line.len > 0) {
			read_field(wire);
		} else if (wire->status < 200) {
			wire->step = STEP_STATUS; /* 100 (Continue) */
		} else {
			wire->step = wire->chunked ? STEP_SIZE : STEP_PLAIN;
			is = AGENT_WIRED_HEAD;
		}
		break;
	case STEP_SIZE:
		ok = read_size(wire);
		wire->step = wire->left > 0 ? STEP_CHUNK : STEP_END;
		break;
	case STEP_CHUNK_END:
		ok = wire->line.len == 0;
		wire->step = STEP_SIZE;
		break;
	case STEP_PLAIN:
	case STEP_CHUNK:
	case STEP_END:
	case STEP_BROKEN: break;
	}
	buf_reset(&wire->line);
	return ok ? is : broken(wire);
}

static enum agent_wired take_bytes(struct agent_wire *wire, struct str *in, struct str *ret)
{
	size_t n = in->n;

	if (wire->step == STEP_CHUNK) {
		n = wire->left < n ? (size_t)wire->left : n;
		wire->left -= n;
		wire->step = wire->left == 0 ? STEP_CHUNK_END : STEP_CHUNK;
	}
	*ret = str_make(in->p, n);
	*in = str_make(in->p + n, in->n - n);
	return AGENT_WIRED_BYTES;
}

enum agent_wired agent_wire_take(struct agent_wire *wire, struct str *in, struct str *ret)
{
	enum agent_wired is = AGENT_WIRED_MORE;

	while (is == AGENT_WIRED_MORE && in->n > 0) {
		if (wire->step == STEP_BROKEN) {
			return AGENT_WIRED_BROKEN;
		}
		if (wire->step == STEP_END) {
			return AGENT_WIRED_END;
		}
		if (wire->step == STEP_PLAIN || wire->step == STEP_CHUNK) {
			return take_bytes(wire, in, ret);
		}
		if (take_line(wire, in)) {
			wire->head_bytes += wire->line.len + 1;
			is = use_line(wire);
		}
		if (buf_failed(&wire->line) ||
		    (wire->step <= STEP_FIELDS && wire->head_bytes > AGENT_WIRE_HEAD_MAX) ||
		    (wire->step > STEP_FIELDS && wire->line.len > AGENT_WIRE_LINE_MAX)) {
			return broken(wire);
		}
	}
	return is == AGENT_WIRED_MORE && wire->step == STEP_END ? AGENT_WIRED_END : is;
}

/* ---- where it listens ---- */

bool agent_wire_port(struct str line, unsigned *ret)
{
	static const char mark[] = "listening on http://127.0.0.1:";
	const char *at = line.n > 0 ? memmem(line.p, line.n, mark, sizeof(mark) - 1) : NULL;
	struct str digits;
	uint64_t port;
	size_t n = 0;

	if (at == NULL) {
		return false;
	}
	digits.p = at + sizeof(mark) - 1;
	digits.n = line.n - (size_t)(digits.p - line.p);
	while (n < digits.n && digits.p[n] >= '0' && digits.p[n] <= '9') {
		n++;
	}
	if (!parse_u64(str_make(digits.p, n), UINT16_MAX, &port) || port == 0) {
		return false;
	}
	*ret = (unsigned)port;
	return true;
}

static struct str next_word(struct str *rest)
{
	struct str word;

	do {
		word = str_split(rest, ' ');
	} while (word.n == 0 && rest->n > 0);
	return word;
}

/* "sl local_address rem_address st tx:rx tr:when retrnsmt uid ...": proc(5) */
bool agent_wire_listens(struct str table, unsigned port, uint64_t uid)
{
	while (table.n > 0) {
		struct str line = str_split(&table, '\n'), words[8], number;
		uint64_t at, owner;

		for (size_t i = 0; i < 8; i++) {
			words[i] = next_word(&line);
		}
		number = words[1];
		words[1] = str_split(&number, ':');
		if ((str_eq(words[1], STR_LIT("0100007F")) ||
		     str_eq(words[1], STR_LIT("00000000"))) &&
		    str_eq(words[3], STR_LIT("0A")) && parse_hex_u64(number, &at) && at == port &&
		    parse_u64(words[7], UINT32_MAX, &owner) && owner == uid) {
			return true;
		}
	}
	return false;
}
