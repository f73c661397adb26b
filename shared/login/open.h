/* Logins as the settings want them. */
#pragma once

#include "conf/conf.h"
#include "login/hasher.h"
#include "login/login.h"

struct login_options login_open(const struct conf *conf, struct pg *pg);
struct hasher *hasher_open(const struct conf *conf, struct loop *loop) MUST_CHECK;
