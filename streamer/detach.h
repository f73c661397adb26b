/*
 * `fairlead-streamer --takeover --detach`: the command returns when the new process has taken over,
 * which goes on by itself.  It is what a service's ExecReload= needs.
 */
#pragma once

#include <stdbool.h>

/* Before anything else. Only the new process comes back from it: the old one waits and exits, with
 * 0 once the new one called detach_done(), with 1 when that has ended before. */
void detach_begin(void);
bool detach_begun(void); /* in the new process, until detach_done() */
void detach_done(void);
