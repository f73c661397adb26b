#include "redis/info.h"

#include <stdio.h>

struct str redis_info_value(struct str info, struct str name)
{
	while (info.n > 0) {
		struct str line = str_split(&info, '\n'), key = str_split(&line, ':');

		if (str_eq(key, name)) {
			return str_split(&line, '\r');
		}
	}
	return STR_LIT("");
}

enum { RUN_ID_LEN = 40, REPLID_LEN = 16 }; /* of the latter that is enough to tell two apart */

enum err_code redis_info_history(struct str info, char out[REDIS_HISTORY_SIZE], struct err *err)
{
	struct str run_id = redis_info_value(info, STR_LIT("run_id"));
	struct str replid = redis_info_value(info, STR_LIT("master_replid"));

	if (run_id.n == 0 || run_id.n > RUN_ID_LEN) {
		return err_set(err, ERR_UNAVAILABLE, "redis: INFO tells no run_id");
	}
	/* It would refuse writes, and what it is asked may be out of date. */
	if (str_eq(redis_info_value(info, STR_LIT("role")), STR_LIT("slave"))) {
		return err_set(err, ERR_UNAVAILABLE, "redis: it is a replica");
	}
	replid.n = replid.n < REPLID_LEN ? replid.n : REPLID_LEN;
	(void)snprintf(out, REDIS_HISTORY_SIZE, "%" STR_FMT ".%" STR_FMT, STR_ARG(run_id),
	               STR_ARG(replid));
	return ERR_OK;
}
