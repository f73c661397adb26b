/* The Agent Client Protocol, and the agents that speak it. */
#pragma once

#include "worker/adapters/adapter.h"

extern const struct adapter_ops adapter_acp;    /* any: settings.argv says which */
extern const struct adapter_ops adapter_gemini; /* Gemini CLI */
