/* How a limit is written: "read=600/1m:1200 write=60/1m auth=0". Pure. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "rate/gcra.h"

/* Whom a limit is for. */
enum rate_kind { RATE_KEY, RATE_USER, RATE_TENANT, RATE_ADDRESS, RATE_KIND_COUNT };

/* What is asked for: to look, to change something, to prove who one is, to open a stream. */
enum rate_class { RATE_READ, RATE_WRITE, RATE_AUTH, RATE_STREAM, RATE_CLASS_COUNT };

const char *rate_kind_name(enum rate_kind kind);    /* "tenant" */
const char *rate_class_name(enum rate_class which); /* "read" */

enum { RATE_PERIOD_MAX_S = 24 * 3600, RATE_COUNT_MAX = 1000000 };

struct rate_limits {
	struct gcra_limit of[RATE_CLASS_COUNT];
	bool said[RATE_CLASS_COUNT]; /* the class is named */
};

/*
 * CLASS=COUNT/PERIOD[:BURST] for each class that is limited, separated by spaces or commas; PERIOD
 * in whole s, m, h or d; BURST is what may come at once, COUNT unless said; COUNT 0 and a class
 * that is not named: no limit. ERR_INVALID with the rule that was broken.
 */
enum err_code rate_limits_parse(struct str text, struct rate_limits *ret,
                                struct err *err) MUST_CHECK;
