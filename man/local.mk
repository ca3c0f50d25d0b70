# man
dist_man_MANS += %D%/pabal.conf.5
dist_man_MANS += %D%/pabal-master.8
dist_man_MANS += %D%/pabal-smtpd.8
dist_man_MANS += %D%/pabal-pop3d.8
dist_man_MANS += %D%/pabal.1
dist_man_MANS += %D%/pabal-accountd.8
dist_man_MANS += %D%/pabal-keyd.8
dist_man_MANS += %D%/pabal-dnsd.8
dist_man_MANS += %D%/pabal-spool.5
dist_man_MANS += %D%/pabal-imapd.8
dist_man_MANS += %D%/pabal-qmgr.8
dist_man_MANS += %D%/pabal-deliver-local.8
dist_man_MANS += %D%/pabal-deliver-remote.8
dist_man_MANS += %D%/pabal-spoold.8
