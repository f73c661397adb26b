/* Text to value, within the bounds of the table.  Private to shared/conf. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "conf/table.h"

/* Store text into its field; err says the rule that was broken and never holds a secret. */
enum err_code conf_store(struct conf *conf, const struct conf_setting *setting, struct str text,
                         struct err *err) MUST_CHECK;
