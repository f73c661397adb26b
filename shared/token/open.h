/* Tokens as the settings want them. */
#pragma once

#include "conf/conf.h"
#include "token/bearer.h"
#include "token/issuer.h"
#include "token/refresh.h"

/* Keeps the texts of conf. */
struct bearers *bearer_open(const struct conf *conf, struct pg *pg) MUST_CHECK;
struct issuers *issuer_open(const struct conf *conf, struct pg *pg, struct fetch *fetch) MUST_CHECK;
struct refresh_options refresh_open(const struct conf *conf, struct pg *pg);
