/*
 * What the members of events are (member.def): their JSON Schema
 * (https://json-schema.org/draft/2020-12), and whether data fits it.  Pure.
 *
 * It binds Fairlead's own processes.  Outside producers may send what they like: readers take what
 * they know.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"

struct json_value;

/* ERR_INVALID: the data of an event of that type does not fit; err names the member and the rule.
 */
enum err_code event_schema_check(enum event_type type, const struct json_value *data,
                                 struct err *err) MUST_CHECK;

/* The schema of every event as readers get it, its envelope too; "$defs" has each type's. */
void event_schema_write(struct buf *out);

/* The members as a table of docs/events.md. */
void event_schema_docs(struct buf *out);
