#include "schedule/zone.h"

#include <string.h>

#include "schedule/calendar.h"
#include "schedule/zone_rule.h"

enum {
	HEADER_SIZE = 44,
	TRANSITIONS_MAX = 8192,
	TYPES_MAX = 256,
	TYPE_SIZE = 6,
	/* RFC 8536 section 3.2: -25:59:59 to 26:00:00, here at either side */
	OFFSET_MAX_S = 26 * 3600,
};

/* Beyond that, some million years, nothing changes; sums of times and offsets stay in range. */
#define FAR (INT64_C(1) << 46)

struct zone {
	size_t count;
	const int64_t *at;      /* transitions, ascending */
	const int32_t *offsets; /* of count + 1 spans: the first is before all transitions */
	struct zone_rule rule;  /* after the last */
};

static const struct zone utc = { .offsets = (const int32_t[]){ 0 } };

const struct zone *zone_utc(void)
{
	return &utc;
}

/* ---- parsing ---- */

struct header {
	unsigned version; /* as a number: 1 to 4 */
	uint32_t utc_marks, standard_marks, leaps, transitions, types, chars;
};

/* Big endian. */
static uint64_t number(const char *p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++) {
		v = v << 8 | (unsigned char)p[i];
	}
	return v;
}

static bool take(struct str *rest, size_t n, struct str *ret)
{
	if (rest->n < n) {
		return false;
	}
	*ret = str_make(rest->p, n);
	*rest = str_make(rest->p + n, rest->n - n);
	return true;
}

static bool take_header(struct str *rest, struct header *ret)
{
	struct str text;

	if (!take(rest, HEADER_SIZE, &text) || !str_starts(text, STR_LIT("TZif"))) {
		return false;
	}
	*ret = (struct header){
		.version = text.p[4] == '\0' ? 1 : (unsigned)((unsigned char)text.p[4] - '0'),
		.utc_marks = (uint32_t)number(text.p + 20, 4),
		.standard_marks = (uint32_t)number(text.p + 24, 4),
		.leaps = (uint32_t)number(text.p + 28, 4),
		.transitions = (uint32_t)number(text.p + 32, 4),
		.types = (uint32_t)number(text.p + 36, 4),
		.chars = (uint32_t)number(text.p + 40, 4),
	};
	return ret->version >= 1 && ret->version <= 4 && ret->transitions <= TRANSITIONS_MAX &&
	       ret->types >= 1 && ret->types <= TYPES_MAX && ret->chars >= 1 &&
	       ret->chars <= ZONE_FILE_MAX && ret->leaps == 0 &&
	       (ret->utc_marks == 0 || ret->utc_marks == ret->types) &&
	       (ret->standard_marks == 0 || ret->standard_marks == ret->types);
}

struct block {
	struct str times, indexes, types, chars, marks;
};

/* size: of a time in it. */
static bool take_block(struct str *rest, const struct header *header, size_t size,
                       struct block *ret)
{
	return take(rest, header->transitions * size, &ret->times) &&
	       take(rest, header->transitions, &ret->indexes) &&
	       take(rest, (size_t)header->types * TYPE_SIZE, &ret->types) &&
	       take(rest, header->chars, &ret->chars) &&
	       take(rest, (size_t)header->standard_marks + header->utc_marks, &ret->marks);
}

static bool take_type(const struct block *block, size_t i, int32_t *ret)
{
	const char *type = block->types.p + i * TYPE_SIZE;
	int64_t offset = (int32_t)(uint32_t)number(type, 4);

	*ret = (int32_t)offset;
	return offset >= -OFFSET_MAX_S && offset <= OFFSET_MAX_S && (unsigned char)type[4] <= 1 &&
	       (unsigned char)type[5] < block->chars.n;
}

static bool take_spans(const struct header *header, const struct block *block, size_t size,
                       struct arena *arena, struct zone *zone)
{
	int64_t *at = arena_take(arena, header->transitions * sizeof(*at));
	int32_t *offsets = arena_take(arena, (header->transitions + 1U) * sizeof(*offsets));

	/* Section 3.2: before the first transition the first type holds. */
	if (!take_type(block, 0, &offsets[0])) {
		return false;
	}
	for (size_t i = 0; i < header->transitions; i++) {
		uint64_t raw = number(block->times.p + i * size, size);
		size_t type = (unsigned char)block->indexes.p[i];

		at[i] = size == 4 ? (int32_t)(uint32_t)raw : (int64_t)raw;
		if (at[i] < -FAR) {
			at[i] = -FAR;
		}
		if (type >= header->types || !take_type(block, type, &offsets[i + 1]) ||
		    at[i] > FAR || (i > 0 && at[i] <= at[i - 1])) {
			return false;
		}
	}
	zone->at = at;
	zone->offsets = offsets;
	zone->count = header->transitions;
	return true;
}

/* A newline, the rule, a newline. */
static bool take_footer(struct str *rest, struct zone_rule *ret)
{
	struct str line = *rest;

	if (!str_starts(line, STR_LIT("\n"))) {
		return false;
	}
	line = str_make(line.p + 1, line.n - 1);
	*rest = line;
	line = str_split(rest, '\n');
	return rest->p != NULL && zone_rule_parse(line, ret);
}

enum err_code zone_parse(struct str bytes, struct arena *arena, const struct zone **ret,
                         struct err *err)
{
	struct zone *zone = arena_take(arena, sizeof(*zone));
	struct str rest = bytes;
	struct header header;
	struct block block;
	size_t size = 4;
	bool ok = bytes.n <= ZONE_FILE_MAX && take_header(&rest, &header) &&
	          take_block(&rest, &header, size, &block);

	/* From version 2 on everything comes again, with longer times. */
	if (ok && header.version > 1) {
		size = 8;
		ok = take_header(&rest, &header) && take_block(&rest, &header, size, &block) &&
		     take_footer(&rest, &zone->rule);
	}
	if (!ok || !take_spans(&header, &block, size, arena, zone)) {
		return err_set(err, ERR_INVALID, "is no TZif file, or one with leap seconds");
	}
	*ret = zone;
	return ERR_OK;
}

/* ---- asking ---- */

/* How many transitions have happened. */
static size_t passed(const struct zone *zone, int64_t at)
{
	size_t low = 0, high = zone->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->at[middle] <= at) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* After the last transition. Far from today the rule is left alone. */
static struct zone_span rule_span(const struct zone_rule *rule, int64_t at)
{
	struct zone_span span = { INT64_MIN, -FAR, rule->standard_s };

	if (at >= FAR) {
		span.begin = FAR;
		span.end = INT64_MAX;
	} else if (at >= -FAR) {
		span = zone_rule_at(rule, at);
		span.begin = span.begin > -FAR ? span.begin : -FAR;
		span.end = span.end < FAR ? span.end : FAR;
	}
	return span;
}

struct zone_span zone_at(const struct zone *zone, int64_t at)
{
	size_t i = passed(zone, at);
	struct zone_span span = {
		.begin = i > 0 ? zone->at[i - 1] : INT64_MIN,
		.end = i < zone->count ? zone->at[i] : INT64_MAX,
		.offset_s = zone->offsets[i],
	};

	if (i == zone->count && zone->rule.given) {
		int64_t begin = span.begin;

		span = rule_span(&zone->rule, at);
		span.begin = span.begin > begin ? span.begin : begin;
	}
	return span;
}

int64_t zone_unseen(const struct zone *zone, int64_t at)
{
	struct zone_span span = zone_at(zone, at - 1);
	int64_t most = at - 1 + span.offset_s;

	/* What is longer ago cannot have shown more. */
	while (span.begin > at - 2 * OFFSET_MAX_S) {
		int64_t last = span.begin - 1;

		span = zone_at(zone, last);
		if (last + span.offset_s > most) {
			most = last + span.offset_s;
		}
	}
	return most + 1;
}

int64_t zone_reach(const struct zone *zone, int64_t local, int64_t at)
{
	int64_t from = local - OFFSET_MAX_S > at ? local - OFFSET_MAX_S : at;

	for (;;) {
		struct zone_span span = zone_at(zone, from);

		if (from + span.offset_s >= local) {
			return from;
		}
		if (local - span.offset_s < span.end) {
			return local - span.offset_s;
		}
		from = span.end;
	}
}
