# man
dist_man_MANS += %D%/pabal.conf.5
dist_man_MANS += %D%/pabal-smtpd.8
