//! Cases: their text, and a fuzzer's bytes as the choices of a simulation.

use blackstart_scenarios::registry;
use blackstart_sim::campaign::CampaignOptions;
use blackstart_sim::case::scenario_of;

/// Takes bytes as the text of a case, for each scenario that it may be of.
pub fn check_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = scenario_of("fuzz.case", text) {
        let message = error.to_string();
        assert!(message.starts_with("fuzz.case:"), "says where: {message}");
        return;
    }
    for scenario in registry().all() {
        // A case that is one runs, and its verdict is its own affair here.
        if let Err(error) = scenario.replay("fuzz.case", text, false) {
            assert!(
                error.to_string().starts_with("fuzz.case:"),
                "says where: {error}"
            );
        }
    }
}

/// Takes bytes as the choices of a simulation of each scenario: whatever is chosen, the engine
/// keeps its promises.
pub fn check_choices(bytes: &[u8]) {
    for scenario in registry().all() {
        let failure = scenario.fuzz(bytes, &CampaignOptions::default());
        assert!(failure.is_none(), "{}: {failure:?}", scenario.name());
    }
}
