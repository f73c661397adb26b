/* The settings as data.  Private to shared/conf. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "conf/conf.h"

enum conf_type {
	CONF_U32,
	CONF_MS,
	CONF_BYTES,
	CONF_BOOL,
	CONF_ENUM,
	CONF_STRING,
	CONF_SECRET,
};

enum conf_when { CONF_RELOAD, CONF_RESTART };

enum { CONF_KEY_MAX = 48 };

struct conf_setting {
	const char *name;
	const char *standard; /* the default, as text */
	const char *min;      /* ENUM: the words */
	const char *max;
	const char *help;
	enum conf_type type;
	enum conf_when when;
	size_t offset; /* in struct conf */
};

enum {
#define GROUP(title)
#define X(name, type, def, min, max, when, help) CONF_ID_##name,
#include "conf/settings.def"
#undef X
#undef GROUP
	CONF_SETTING_COUNT
};

extern const struct conf_setting conf_settings[CONF_SETTING_COUNT];

struct conf_key {
	char s[CONF_KEY_MAX];
};

struct conf_key conf_file_key(const struct conf_setting *setting); /* redis.timeout */
struct conf_key conf_env_key(const struct conf_setting *setting);  /* FAIRLEAD_REDIS_TIMEOUT */

static inline void *conf_field(struct conf *conf, const struct conf_setting *setting)
{
	return (char *)conf + setting->offset;
}
