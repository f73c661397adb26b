/*
 * What systemd and its services say to each other, without its library: sockets that it opened
 * (sd_listen_fds(3)), and what becomes of the service (sd_notify(3)).  Started by anybody else, a
 * process has no such sockets and tells nobody.
 */
#pragma once

#include "base/attr.h"

enum { SYSTEMD_FIRST_FD = 3 };

/* Once, before anything else: take what is in the environment, so that no child sees it. Returns
 * how many listening sockets were given, SYSTEMD_FIRST_FD and following. */
unsigned systemd_begin(void);

/* "READY=1", "MAINPID=4711": one state a call, shorter than 64 bytes. */
void systemd_notify(const char *format, ...) PRINTF_LIKE(1, 2);
