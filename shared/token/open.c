#include "token/open.h"

enum { MS_A_SECOND = 1000 };

struct bearers *bearer_open(const struct conf *conf, struct pg *pg)
{
	return bearer_new(&(struct bearer_options){
		.signing = { .pg = pg,
	                     .secret = cred_pepper_from(str_of(conf->pepper)),
	                     .access_s = (unsigned)(conf->auth_access_life / MS_A_SECOND),
	                     .life_s = conf->auth_key_life / MS_A_SECOND },
		.issuer = conf->auth_issuer,
		.audience = conf->auth_audience,
	});
}

struct issuers *issuer_open(const struct conf *conf, struct pg *pg, struct fetch *fetch)
{
	return issuer_new(&(struct issuer_options){
		.pg = pg, .fetch = fetch, .plain = conf->auth_plain_issuers });
}

struct refresh_options refresh_open(const struct conf *conf, struct pg *pg)
{
	return (struct refresh_options){
		.pg = pg,
		.secret = cred_pepper_from(str_of(conf->pepper)),
		.idle_s = conf->auth_refresh_idle / MS_A_SECOND,
		.life_s = conf->auth_refresh_life / MS_A_SECOND,
	};
}
