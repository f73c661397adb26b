#include "node/certificate.h"

#include <inttypes.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "metric/metric.h"
#include "tls/tls.h"

enum { DAY_S = 86400 };

static void tell(const struct tls_server *tls)
{
	int64_t ends_s = tls_server_ends_s(tls), left_s = ends_s - clock_wall_us() / 1000000;

	metric_set(METRIC_TLS_CERTIFICATE_END, NULL, (double)ends_s);
	if (left_s <= 0) {
		log_warn("tls.ended", "ended_s_ago=%" PRId64, -left_s);
	} else {
		log_info("tls.certificate", "days=%" PRId64, left_s / DAY_S);
	}
}

enum err_code certificate_open(const struct conf *conf, struct tls_server **ret, struct err *err)
{
	*ret = NULL;
	if (conf->tls_certificate[0] == '\0' && conf->tls_key[0] == '\0') {
		return ERR_OK;
	}
	*ret = tls_server_new(conf->tls_certificate, conf->tls_key, err);
	if (*ret == NULL) {
		return err->code;
	}
	tell(*ret);
	return ERR_OK;
}

void certificate_reload(struct tls_server *tls)
{
	struct err err;

	if (tls == NULL) {
		return;
	}
	if (tls_server_reload(tls, &err) != ERR_OK) {
		metric_inc(METRIC_TLS_RELOADS, "refused");
		log_error("tls.refused", "%s", err.msg);
		return;
	}
	metric_inc(METRIC_TLS_RELOADS, "taken");
	tell(tls);
}

void certificate_look(struct tls_server *tls)
{
	if (tls != NULL && tls_server_is_outdated(tls)) {
		certificate_reload(tls);
	}
}
