/*
 * Which agents this worker can run.
 */
#pragma once

#include <stddef.h>

#include "conf/conf.h"

enum { PROGRAMS_MAX = 16 }; /* types of agents */

/* The program of each of task_agent_types as it is set; "" where it is not. */
void programs_set(const struct conf *conf, const char *ret[PROGRAMS_MAX]);

/* "agent=<type>" of each whose adapter is here and whose program is there: as set, or in path (of
 * an environment), joined by commas. Agents that their task names a program for are always there.
 */
void programs_words(const char *const programs[PROGRAMS_MAX], const char *path, char *out,
                    size_t size);
