#include "streamer/record.h"

#include <assert.h>

#include "base/arena.h"
#include "streamer/frame.h"
#include "streamer/wire.h"

enum { NAME_MAX_BYTES = 64, PEER_MAX = 64, SCOPES_MAX = 2048 };

static const char all_scopes[] = "*";
/* No type is named like that. */
static const char output_class[] = "(output)", unknown_class[] = "(unknown)";

/* ---- out ---- */

static void put_cursor(struct buf *out, const struct cursor *cursor)
{
	wire_put(out, cursor->epoch, 8);
	wire_put(out, cursor->n, 8);
}

static void put_scopes(struct buf *out, unsigned scopes)
{
	struct buf names;

	buf_init(&names, SCOPES_MAX);
	if (scopes == AUTH_ALL) {
		buf_add_cstr(&names, all_scopes);
		scopes = 0;
	}
	for (enum auth_scope scope = 0; scope < AUTH_SCOPE_COUNT; scope++) {
		if ((scopes & auth_bit(scope)) != 0) {
			buf_addf(&names, "%s%s", names.len > 0 ? "," : "", auth_scope_name(scope));
		}
	}
	wire_put_str(out, buf_str(&names));
	buf_fini(&names);
}

static void put_principal(struct buf *out, const struct principal *principal)
{
	wire_put_str(out, str_of(principal->tenant));
	wire_put_str(out, str_of(principal->key.s));
	wire_put_str(out, str_of(principal->name));
	wire_put_str(out, str_of(principal->owner));
	put_scopes(out, principal->scopes);
	put_scopes(out, principal->lent);
	wire_put(out, principal->any_namespace, 1);
	wire_put_str(out, str_of(principal->namespaces));
	wire_put(out, (uint64_t)principal->expires_us, 8);
	wire_put(out, principal->means, 1);
	wire_put(out, principal->observes, 1);
	wire_put_str(out, str_of(principal->session.s));
	wire_put(out, principal->kind, 1);
	wire_put(out, principal->role, 1);
	wire_put_str(out, str_of(principal->user.s));
	wire_put_str(out, str_of(principal->login.s));
}

static void put_socket(struct buf *out, const struct record_socket *socket)
{
	wire_put_str(out, socket->face);
	wire_put_str(out, socket->own);
	wire_put(out, socket->deflates, 1);
	wire_put_str(out, socket->input);
}

static void put_followed(struct buf *out, const struct record_followed *followed)
{
	const struct position *position = &followed->position;

	wire_put_str(out, str_make(followed->sid.s, ID_LEN));
	put_cursor(out, &followed->tip);
	wire_put_str(out, str_of(session_state_name(followed->state)));
	put_cursor(out, &position->at);
	wire_put(out, position->types, 8);
	wire_put(out, position->sent, 4);
	wire_put(out, position->sent_of, 4);
	wire_put(out, position->untold, 4);
	wire_put(out, position->folded, 1);
	wire_put(out, followed->leaving, 1);
	wire_put(out, followed->watches, 1);
	wire_put(out, followed->shown, 4);
}

static void put_gzip(struct buf *out, const struct record_gzip *gzip)
{
	wire_put(out, gzip->is_it, 1);
	if (gzip->is_it) {
		wire_put(out, gzip->is_over, 1);
		wire_put(out, gzip->sum.len, 8);
		wire_put(out, gzip->sum.crc, 4);
		wire_put(out, gzip->open, 4);
		wire_put(out, gzip->head, 1);
		wire_put_str(out, gzip->raw);
	}
}

void record_encode(const struct record *record, struct buf *out)
{
	wire_put(out, record->kind, 1);
	wire_put_str(out, record->peer);
	put_principal(out, &record->principal);
	wire_put(out, record->stream, 8);
	wire_put(out, record->silent_ms, 4);
	wire_put(out, record->finishing, 1);
	wire_put_str(out, record->left);
	put_gzip(out, &record->gzip);
	if (record->kind == RECORD_SOCKET) {
		put_socket(out, &record->socket);
	}
	wire_put(out, record->count, 4);
	for (size_t i = 0; i < record->count; i++) {
		put_followed(out, &record->followed[i]);
	}
}

void record_classes_format(struct buf *out)
{
	for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++) {
		buf_addf(out, "%s,", event_type_info(type)->name);
	}
	buf_addf(out, "%s,%s", output_class, unknown_class);
}

/* ---- in ---- */

static unsigned class_named(struct str name)
{
	enum event_type type;

	if (event_type_parse(name, &type)) {
		return type;
	}
	if (str_eq(name, str_of(output_class))) {
		return EVENT_CLASS_OUTPUT;
	}
	return str_eq(name, str_of(unknown_class)) ? EVENT_CLASS_UNKNOWN : EVENT_CLASS_COUNT;
}

bool record_classes_parse(struct str names, struct record_classes *ret)
{
	ret->count = 0;
	while (names.p != NULL) {
		if (ret->count == RECORD_CLASSES_MAX) {
			return false;
		}
		ret->classes[ret->count++] = class_named(str_split(&names, ','));
	}
	return true;
}

/* Whoever wants everything gets what is new here, too. */
static uint64_t translate(const struct record_classes *classes, uint64_t set)
{
	uint64_t ours = 0;

	if (set == POSITION_ALL_TYPES) {
		return set;
	}
	for (size_t i = 0; i < classes->count; i++) {
		if ((set >> i & 1) != 0 && classes->classes[i] != EVENT_CLASS_COUNT) {
			ours |= UINT64_C(1) << classes->classes[i];
		}
	}
	return ours;
}

static void get_text(struct wire *wire, char *out, size_t size)
{
	struct str text = wire_get_str(wire, size - 1);

	wire->bad = wire->bad || (text.n > 0 && memchr(text.p, '\0', text.n) != NULL) ||
	            !str_copy(out, size, text);
}

static void get_id(struct wire *wire, struct id *ret)
{
	wire->bad = !id_parse(wire_get_str(wire, ID_LEN), ret) || wire->bad;
}

static void get_cursor(struct wire *wire, struct cursor *ret)
{
	ret->epoch = wire_get(wire, 8);
	ret->n = wire_get(wire, 8);
	wire->bad = wire->bad || ret->epoch > CURSOR_EPOCH_MAX || ret->n > CURSOR_N_MAX;
}

/* A scope that is no more allows nothing. */
static unsigned get_scopes(struct wire *wire)
{
	struct str names = wire_get_str(wire, SCOPES_MAX);
	unsigned scopes = 0;

	if (str_eq(names, str_of(all_scopes))) {
		return AUTH_ALL;
	}
	while (names.p != NULL) {
		enum auth_scope scope;

		if (auth_scope_parse(str_split(&names, ','), &scope)) {
			scopes |= auth_bit(scope);
		}
	}
	return scopes;
}

/* A byte below the bound, else 0. */
static unsigned get_below(struct wire *wire, unsigned bound)
{
	uint64_t value = wire_get(wire, 1);

	wire->bad = wire->bad || value >= bound;
	return wire->bad ? 0 : (unsigned)value;
}

/* Nil: none. */
static void get_some_id(struct wire *wire, struct id *ret)
{
	struct str text = wire_get_str(wire, ID_LEN);

	*ret = (struct id){ .s = "" };
	wire->bad = (text.n > 0 && !id_parse(text, ret)) || wire->bad;
}

static void get_principal(struct wire *wire, struct principal *ret)
{
	get_text(wire, ret->tenant, sizeof(ret->tenant));
	get_some_id(wire, &ret->key);
	get_text(wire, ret->name, sizeof(ret->name));
	get_text(wire, ret->owner, sizeof(ret->owner));
	ret->scopes = get_scopes(wire);
	ret->lent = get_scopes(wire);
	ret->any_namespace = wire_get(wire, 1) != 0;
	get_text(wire, ret->namespaces, sizeof(ret->namespaces));
	ret->expires_us = (int64_t)wire_get(wire, 8);
	ret->means = (enum auth_means)get_below(wire, AUTH_BY_LOGIN + 1);
	ret->observes = wire_get(wire, 1) != 0;
	get_some_id(wire, &ret->session);
	ret->kind = (enum auth_kind)get_below(wire, AUTH_SERVICE + 1);
	ret->role = (enum auth_role)get_below(wire, AUTH_ROLE_COUNT);
	get_some_id(wire, &ret->user);
	get_some_id(wire, &ret->login);
}

static void get_socket(struct wire *wire, struct record_socket *ret)
{
	ret->face = wire_get_str(wire, NAME_MAX_BYTES);
	ret->own = wire_get_str(wire, RECORD_BYTES_MAX);
	ret->deflates = wire_get(wire, 1) != 0;
	ret->input = wire_get_str(wire, RECORD_BYTES_MAX);
}

static void get_followed(struct wire *wire, const struct record_classes *classes,
                         struct record_followed *ret)
{
	struct position *position = &ret->position;

	get_id(wire, &ret->sid);
	get_cursor(wire, &ret->tip);
	wire->bad =
		!session_state_parse(wire_get_str(wire, NAME_MAX_BYTES), &ret->state) || wire->bad;
	get_cursor(wire, &position->at);
	position->types = translate(classes, wire_get(wire, 8));
	position->sent = (uint32_t)wire_get(wire, 4);
	position->sent_of = (uint32_t)wire_get(wire, 4);
	position->untold = (uint32_t)wire_get(wire, 4);
	position->folded = wire_get(wire, 1) != 0;
	ret->leaving = wire_get(wire, 1) != 0;
	ret->watches = wire_get(wire, 1) != 0;
	ret->shown = (uint32_t)wire_get(wire, 4);
	wire->bad = wire->bad || position->sent > FRAME_MAX;
}

static void get_gzip(struct wire *wire, struct record_gzip *ret)
{
	*ret = (struct record_gzip){ .is_it = wire_get(wire, 1) != 0 };
	if (ret->is_it) {
		ret->is_over = wire_get(wire, 1) != 0;
		ret->sum.len = wire_get(wire, 8);
		ret->sum.crc = (uint32_t)wire_get(wire, 4);
		ret->open = (uint32_t)wire_get(wire, 4);
		ret->head = (uint8_t)wire_get(wire, 1);
		ret->raw = wire_get_str(wire, RECORD_RAW_MAX);
		wire->bad = wire->bad || ret->open > GZIP_BLOCK_MAX ||
		            ret->head > GZIP_BLOCK_HEAD || (ret->head > 0 && ret->open == 0);
	}
}

bool record_decode(struct str *in, const struct record_classes *classes, struct arena *arena,
                   struct record *ret)
{
	struct wire wire = { .in = *in };
	uint64_t count;

	*ret = (struct record){ .kind = (enum record_kind)wire_get(&wire, 1) };
	if (ret->kind != RECORD_SSE && ret->kind != RECORD_SOCKET) {
		return false;
	}
	ret->peer = wire_get_str(&wire, PEER_MAX);
	get_principal(&wire, &ret->principal);
	ret->stream = wire_get(&wire, 8);
	ret->silent_ms = (uint32_t)wire_get(&wire, 4);
	ret->finishing = wire_get(&wire, 1) != 0;
	ret->left = wire_get_str(&wire, RECORD_BYTES_MAX);
	get_gzip(&wire, &ret->gzip);
	if (ret->kind == RECORD_SOCKET) {
		get_socket(&wire, &ret->socket);
	}
	count = wire_get(&wire, 4);
	if (wire.bad || count > RECORD_FOLLOWED_MAX) {
		return false;
	}
	ret->count = (size_t)count;
	ret->followed = arena_take(arena, (ret->count + 1) * sizeof(*ret->followed));
	for (size_t i = 0; i < ret->count && !wire.bad; i++) {
		get_followed(&wire, classes, &ret->followed[i]);
	}
	*in = wire.in;
	return !wire.bad && (ret->kind != RECORD_SSE || ret->count == 1);
}
