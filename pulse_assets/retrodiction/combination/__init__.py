"""Combination of the rules into one forecast, with weights learned online.

Notation
    At index t, for one horizon h. y_t is observed; f_k(t) is the forecast of rule k from index t,
    for t + h. Outcome y_t verifies the forecasts from s = t - h; no later error enters a weight.
    All errors are absolute, not squared: otherwise the few targets of a crisis decide the weights
    for years. Each horizon has its own weights.

Losses
    Persistence forecasts y_s. Its error e_0 = |y_t - y_s| and the errors e_k = |y_t - f_k(s)| are
    winsorised: limited to 10 times persistence's mean error u, once that is a mean of 12 errors.

        L_k <- d L_k + e_k      B_k <- d B_k + e_0      for discounts d = 0.99 and d = 1
        D_k  = (L_k + u) / (B_k + u)                    relative error; 1 without any evidence

    The prior u counts as one target on which the rule was as good as persistence.

Candidate combiners (`candidates`)
    Each candidate c gives rule k the share s_ck and forecasts F_c = sum_k s_ck f_k / sum_k s_ck:

        c = 0        s = 1                              equal weights
        c = 1, 2     s = D_k^-4, D_k^-16                d = 0.99
        c = 3, 4     s = D_k^-4, D_k^-16                d = 1
        c = 5        s = exp(R_k / sqrt(E_k)) / sqrt(E_k)     by regret (`boa`)

    The candidates have losses C_c of their own, with d = 0.99. Their combination (`dmsfe`) is

        F = sum_c v_c F_c / sum_c v_c,     v_c = (C_c + u)^-16, times 4 for c = 5
        w_k = sum_c v_c s_ck / (sum_c v_c sum_j s_cj)        the weight of rule k

    So neither discount nor power has to be chosen, and thin evidence gives nearly equal weights.

Regret (`regret`)
    The gain of rule k is r_k = g (F_5 - f_k) / u. g is the derivative of Huber's loss of F_5: 3
    times its error in units of u, limited to [-1, 1].

        E_k <- E_k + 2.2 r_k^2      R_k <- R_k + r_k - r_k^2 / sqrt(E_k)

    `boa` is also a method of its own, which uses candidate 5 alone.

Experience with other series (`prior`)
    While data are few, the weight of the built-in rules is shared out by what series of the same
    kind have shown; only with `dmsfe`.

Median (`median`)
    The median of all active rules is what learning is compared with.

Sleeping experts (`eligibility`)
    A rule without a forecast sleeps: its share is 0, and its losses and regret do not change. An
    active rule is eligible, that is, may have a share, after 5 verified forecasts; if no active
    rule has as many, all active rules are. While the series does not change, rules that do not
    forecast its last value become less eligible: (1 - n / 3)^2 after n values without a change.

Source:
    Stock, Watson (2004), Combination forecasts of output growth in a seven-country data set,
    doi:10.1002/for.928 (discounted errors, powers). Wintenberger (2017), Optimal learning with
    Bernstein online aggregation, doi:10.1007/s10994-016-5592-6 (regret).
    Freund, Schapire, Singer, Warmuth (1997), Using and combining predictors that specialize,
    doi:10.1145/258533.258616 (sleeping experts).
"""

from pulse_assets.retrodiction.combination.combine import Method, combine

__all__ = ["Method", "combine"]
