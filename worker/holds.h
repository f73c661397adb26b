/* What a worker says that it has ready to use: words, newest first, as many as a lease's
 * registration takes. Pure. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "queue/lease.h"

/* To the front; what does not fit any more leaves. Whether it is new. */
bool holds_add(char holds[LEASE_HOLDS_MAX + 1], struct str word);

enum { HOLDS_WORD_SIZE = 32 };

/* "repo=<name>" of a repository. */
void holds_repo(struct str url, char out[HOLDS_WORD_SIZE]);

/* Those of the mirrors in a state directory; none is no error. */
void holds_read(const char *state_dir, char holds[LEASE_HOLDS_MAX + 1]);
