#include "worker/adapters/adapter.h"

#include "worker/adapters/acp.h"

extern const struct adapter_ops adapter_agent_sdk;
extern const struct adapter_ops adapter_claude;
extern const struct adapter_ops adapter_codex;
extern const struct adapter_ops adapter_opencode;

/* One row a protocol: its file defines adapter_<name>. */
static const struct adapter_ops *const adapters[] = {
	&adapter_acp,   &adapter_agent_sdk, &adapter_claude,
	&adapter_codex, &adapter_gemini,    &adapter_opencode,
	NULL,
};

const struct adapter_ops *const *adapter_all(void)
{
	return adapters;
}

const struct adapter_ops *adapter_find(struct str type)
{
	for (size_t i = 0; adapters[i] != NULL; i++) {
		if (str_eq(type, str_of(adapters[i]->type))) {
			return adapters[i];
		}
	}
	return NULL;
}
