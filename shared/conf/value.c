#include "conf/value.h"

#include <assert.h>

#include "base/arena.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Longest names first: "ms" ends in "s", "MiB" in "B". */
static const struct unit time_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", UINT64_C(60) * 1000 }, { "h", UINT64_C(60) * 60 * 1000 },
	{ NULL, 0 },
};
static const struct unit byte_units[] = {
	{ "KiB", 1024 },
	{ "MiB", UINT64_C(1024) * 1024 },
	{ "GiB", UINT64_C(1024) * 1024 * 1024 },
	{ "B", 1 },
	{ "", 1 },
	{ NULL, 0 },
};

static bool parse_unit(struct str text, const struct unit *units, uint64_t *ret)
{
	for (; units->name != NULL; units++) {
		struct str number = text;
		uint64_t value;

		if (!str_ends(text, str_of(units->name))) {
			continue;
		}
		number.n -= strlen(units->name);
		return parse_u64(number, UINT64_MAX, &value) &&
		       !__builtin_mul_overflow(value, units->factor, ret);
	}
	return false;
}

static bool parse_word(struct str text, struct str words, uint64_t *ret)
{
	for (*ret = 0; words.n > 0; (*ret)++) {
		if (str_eq(str_split(&words, ' '), text)) {
			return true;
		}
	}
	return false;
}

static bool parse_bool(struct str text, uint64_t *ret)
{
	*ret = str_eq(text, STR_LIT("true"));
	return *ret != 0 || str_eq(text, STR_LIT("false"));
}

static bool parse_number(const struct conf_setting *setting, struct str text, uint64_t *ret)
{
	switch (setting->type) {
	case CONF_U32: return parse_u64(text, UINT32_MAX, ret);
	case CONF_MS: return parse_unit(text, time_units, ret);
	case CONF_BYTES: return parse_unit(text, byte_units, ret);
	case CONF_BOOL: return parse_bool(text, ret);
	case CONF_ENUM: return parse_word(text, str_of(setting->min), ret);
	case CONF_STRING:
	case CONF_SECRET: break;
	}
	*ret = text.n;
	return true;
}

static const char *rule(enum conf_type type)
{
	switch (type) {
	case CONF_U32: return "must be a whole number";
	case CONF_MS: return "must be a time such as 500ms, 5s, 2m or 1h";
	case CONF_BYTES: return "must be a size such as 4096, 64KiB, 16MiB or 1GiB";
	case CONF_BOOL: return "must be true or false";
	case CONF_ENUM: return "must be one of:";
	case CONF_STRING:
	case CONF_SECRET: break;
	}
	return "must be text";
}

/* A bound of the table itself; a test stores every default, so a row that cannot be read is found.
 */
static uint64_t bound(const struct conf_setting *setting, const char *text)
{
	struct conf_setting length = *setting;
	uint64_t value = 0;
	bool readable;

	if (setting->type == CONF_STRING || setting->type == CONF_SECRET) {
		length.type = CONF_U32;
	}
	readable = parse_number(&length, str_of(text), &value);
	assert(readable && "settings.def: a bound cannot be read");
	(void)readable;
	return value;
}

static enum err_code check_bounds(const struct conf_setting *setting, uint64_t value,
                                  struct err *err)
{
	bool text = setting->type == CONF_STRING || setting->type == CONF_SECRET;

	if (setting->type == CONF_BOOL || setting->type == CONF_ENUM) {
		return ERR_OK;
	}
	if (text && value == 0 && setting->standard[0] == '\0') {
		return ERR_OK; /* empty is "not set" where that is the default */
	}
	if (value < bound(setting, setting->min) || value > bound(setting, setting->max)) {
		return err_set(err, ERR_INVALID, "must be between %s and %s%s", setting->min,
		               setting->max, text ? " bytes long" : "");
	}
	return ERR_OK;
}

static enum err_code check_text(struct str text, struct err *err)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f) {
			return err_set(err, ERR_INVALID, "must not hold control characters");
		}
	}
	return str_is_utf8(text) ? ERR_OK : err_set(err, ERR_INVALID, "must be UTF-8");
}

static void store_number(struct conf *conf, const struct conf_setting *setting, uint64_t value)
{
	void *field = conf_field(conf, setting);

	switch (setting->type) {
	case CONF_U32: *(uint32_t *)field = (uint32_t)value; break;
	case CONF_MS:
	case CONF_BYTES: *(uint64_t *)field = value; break;
	case CONF_BOOL: *(bool *)field = value != 0; break;
	case CONF_ENUM: *(unsigned *)field = (unsigned)value; break;
	case CONF_STRING:
	case CONF_SECRET: break;
	}
}

enum err_code conf_store(struct conf *conf, const struct conf_setting *setting, struct str text,
                         struct err *err)
{
	bool string = setting->type == CONF_STRING || setting->type == CONF_SECRET;
	uint64_t value;

	if (!parse_number(setting, text, &value)) {
		return err_set(err, ERR_INVALID, "%s%s%s", rule(setting->type),
		               setting->type == CONF_ENUM ? " " : "",
		               setting->type == CONF_ENUM ? setting->min : "");
	}
	if (check_bounds(setting, value, err) != ERR_OK ||
	    (string && check_text(text, err) != ERR_OK)) {
		return err->code;
	}
	if (string) {
		*(const char **)conf_field(conf, setting) = arena_strdup(conf->arena, text);
	} else {
		store_number(conf, setting, value);
	}
	return ERR_OK;
}
