#include "limit/limit_store.h"

#include "limit_sql_gen.h"
#include "pg/pg.h"
#include "queue/keys.h"

static const char *const kind_names[QUEUE_LIMIT_KIND_COUNT] = {
	[QUEUE_LIMIT_TENANT] = "tenant",   [QUEUE_LIMIT_USER] = "user",
	[QUEUE_LIMIT_PROJECT] = "project", [QUEUE_LIMIT_AGENT] = "agent",
	[QUEUE_LIMIT_KEY] = "key",         [QUEUE_WEIGHT] = "weight",
};

const char *limit_kind_name(enum queue_limit_kind kind)
{
	return kind_names[kind];
}

bool limit_kind_parse(struct str name, enum queue_limit_kind *ret)
{
	for (unsigned i = 0; i < QUEUE_LIMIT_KIND_COUNT; i++) {
		if (str_eq(name, str_of(kind_names[i]))) {
			*ret = (enum queue_limit_kind)i;
			return true;
		}
	}
	return false;
}

/* An owner and a key of concurrency are any text. */
static bool is_free_text(const struct limit *limit)
{
	struct id key;

	return limit->kind == QUEUE_LIMIT_KEY ||
	       (limit->kind == QUEUE_LIMIT_USER && !id_parse(str_of(limit->name), &key));
}

static enum err_code check(const struct limit *limit, struct err *err)
{
	bool own = limit->kind == QUEUE_LIMIT_TENANT || limit->kind == QUEUE_WEIGHT;

	if (limit->tenant[0] == '\0' && (limit->name[0] != '\0' || limit->kind == QUEUE_WEIGHT)) {
		return err_set(err, ERR_INVALID, "this is said of one tenant only");
	}
	if (limit->tenant[0] != '\0' && own != (limit->name[0] == '\0')) {
		return err_set(err, ERR_INVALID,
		               own ? "a tenant's limit has no other name"
		                   : "a tenant's limit of this kind has a name");
	}
	if (limit->name[0] != '\0' && !is_free_text(limit) && !queue_name_ok(limit->name)) {
		return err_set(err, ERR_INVALID, "%s is no name", limit->name);
	}
	if (!limit->none && (limit->value > LIMIT_VALUE_MAX ||
	                     (limit->kind == QUEUE_WEIGHT && limit->value == 0))) {
		return err_set(err, ERR_INVALID, "a limit is 0 to %d, a weight at least 1",
		               LIMIT_VALUE_MAX);
	}
	return ERR_OK;
}

enum err_code limit_set(struct pg *pg, const struct limit *limit, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code = check(limit, err);

	if (code != ERR_OK) {
		return code;
	}
	pg_param_cstr(&params, limit->tenant);
	pg_param_cstr(&params, kind_names[limit->kind]);
	pg_param_cstr(&params, limit->name);
	if (limit->none) {
		pg_param_null(&params);
	} else {
		pg_param_u64(&params, limit->value);
	}
	code = pg_query(pg, "", &limit_sql_texts[LIMIT_SQL_LIMIT_SET], &params, &rows, err);
	if (code == ERR_OK && pg_rows_count(rows) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no tenant %s", limit->tenant);
	}
	return code;
}

enum err_code limit_list(struct pg *pg, uint64_t after, struct limit *items, size_t max,
                         size_t *ret_count, struct err *err)
{
	CLEANUP(pg_rows_cleanup) struct pg_rows *rows = NULL;
	struct pg_params params = { 0 };
	enum err_code code;

	pg_param_u64(&params, after);
	pg_param_u64(&params, max);
	code = pg_query(pg, "", &limit_sql_texts[LIMIT_SQL_LIMIT_LIST], &params, &rows, err);
	if (code != ERR_OK) {
		return code;
	}
	*ret_count = pg_rows_count(rows);
	for (size_t i = 0; i < *ret_count; i++) {
		struct limit *limit = &items[i];

		*limit = (struct limit){ .none = pg_is_null(rows, i, 3),
			                 .value = pg_u64(rows, i, 3),
			                 .version = pg_u64(rows, i, 4) };
		if (!str_copy(limit->tenant, sizeof(limit->tenant), pg_str(rows, i, 0)) ||
		    !limit_kind_parse(pg_str(rows, i, 1), &limit->kind) ||
		    !str_copy(limit->name, sizeof(limit->name), pg_str(rows, i, 2))) {
			return err_set(err, ERR_INTERNAL, "a limit's row does not decode");
		}
	}
	return ERR_OK;
}

void limit_of_queue(const struct limit *limit, char room[QUEUE_NAME_MAX + 1],
                    struct queue_limit *ret)
{
	*ret = (struct queue_limit){ .kind = limit->kind,
		                     .tenant = limit->tenant[0] != '\0' ? limit->tenant : NULL,
		                     .value = limit->value,
		                     .unset = limit->none };
	if (limit->kind == QUEUE_WEIGHT && limit->none) {
		ret->unset = false;
		ret->value = 1;
	}
	if (limit->name[0] == '\0') {
		return;
	}
	if (is_free_text(limit)) {
		queue_name_of(str_of(limit->name), room);
	} else {
		(void)str_copy(room, QUEUE_NAME_MAX + 1, str_of(limit->name));
	}
	ret->name = room;
}
