/* What workers have and sessions need: words joined by commas (queue.h). Pure. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

bool words_have(const char *has, struct str word);

/* Every word that is needed. */
bool words_fit(const char *has, const char *needs);

/* The next of needs, from *rest on, that is not among has; {NULL, 0}: none is left. */
struct str words_missing(const char *has, struct str *rest);
