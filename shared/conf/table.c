#include "conf/table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct conf_setting conf_settings[CONF_SETTING_COUNT] = {
#define GROUP(title)
#define X(name, type, def, min, max, when, help)                                                   \
	{ #name, def, min, max, help, CONF_##type, CONF_##when, offsetof(struct conf, name) },
#include "conf/settings.def"
#undef X
#undef GROUP
};

struct conf_key conf_file_key(const struct conf_setting *setting)
{
	struct conf_key key;
	char *first;

	(void)snprintf(key.s, sizeof(key.s), "%s", setting->name);
	first = strchr(key.s, '_');
	if (first != NULL) {
		*first = '.';
	}
	return key;
}

struct conf_key conf_env_key(const struct conf_setting *setting)
{
	struct conf_key key;
	int n = snprintf(key.s, sizeof(key.s), "FAIRLEAD_%s", setting->name);

	assert(n > 0 && n < CONF_KEY_MAX);
	for (char *c = key.s; *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z') {
			*c = (char)(*c - 'a' + 'A');
		}
	}
	return key;
}
