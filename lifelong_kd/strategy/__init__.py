"""HOW teachers, knowledge, memory and head combine: one file a published method."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "strategy",
    {
        "afc": "lifelong_kd.strategy.afc:afc",
        "ancl": "lifelong_kd.strategy.ancl:ancl",
        "bic": "lifelong_kd.strategy.bic:bic",
        "ccil": "lifelong_kd.strategy.ccil:ccil",
        "cls_er": "lifelong_kd.strategy.cls_er:cls_er",
        "compose": "lifelong_kd.strategy.compose:compose",
        "der": "lifelong_kd.strategy.der:der",
        "derpp": "lifelong_kd.strategy.derpp:derpp",
        "dmc": "lifelong_kd.strategy.dmc:dmc",
        "ebll": "lifelong_kd.strategy.ebll:ebll",
        "eeil": "lifelong_kd.strategy.eeil:eeil",
        "fdr": "lifelong_kd.strategy.fdr:fdr",
        "foster": "lifelong_kd.strategy.foster:foster",
        "gd": "lifelong_kd.strategy.gd:gd",
        "icarl": "lifelong_kd.strategy.icarl:icarl",
        "il2m": "lifelong_kd.strategy.il2m:il2m",
        "joint": "lifelong_kd.strategy.joint:joint",
        "lfl": "lifelong_kd.strategy.lfl:lfl",
        "lkd": "lifelong_kd.strategy.lkd:lkd",
        "lucir": "lifelong_kd.strategy.lucir:lucir",
        "lwf": "lifelong_kd.strategy.lwf:lwf",
        "lwf_mc": "lifelong_kd.strategy.lwf_mc:lwf_mc",
        "lwm": "lifelong_kd.strategy.lwm:lwm",
        "mkd": "lifelong_kd.strategy.mkd:mkd",
        "naive": "lifelong_kd.strategy.naive:naive",
        "pass": "lifelong_kd.strategy.pass_:pass_",
        "podnet": "lifelong_kd.strategy.podnet:podnet",
        "replay": "lifelong_kd.strategy.replay:replay",
        "ser": "lifelong_kd.strategy.ser:ser",
        "ta": "lifelong_kd.strategy.ta:ta",
        "wa": "lifelong_kd.strategy.wa:wa",
        "xder": "lifelong_kd.strategy.xder:xder",
        "ss_il": "lifelong_kd.strategy.ss_il:ss_il",
    },
)
register = registry.register
