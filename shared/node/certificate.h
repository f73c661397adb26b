/* The certificate of a node's tls:// listeners: tls.certificate and tls.key. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct conf;
struct tls_server;

/* *ret is NULL when none is set. */
enum err_code certificate_open(const struct conf *conf, struct tls_server **ret,
                               struct err *err) MUST_CHECK;
/* Read it again; what is not good is refused. NULL: there is none. */
void certificate_reload(struct tls_server *tls);
/* Each second: the same when the files have changed. */
void certificate_look(struct tls_server *tls);
