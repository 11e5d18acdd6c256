//! What must be true of the turns that streams get, looked at after every turn of a worker.

use dataplane::blender::WAIT_LOOPS_MAX;
use dataplane::role::node::Node;

/// Whether a stream of this node has waited for its turn longer than the blender's page says, in composing loops; the first
/// complaint. The blender asserts beside that, whenever its counters are read, that its bytes add up.
pub(crate) fn starves(node: &Node) -> Option<String> {
    let lines = node.parts().trunk.iter().flat_map(|trunk| trunk.lines());
    for line in lines {
        let _bytes_add_up = line.blender();
        for (ring, waits) in line.waits().iter().enumerate() {
            if waits.loops_max > WAIT_LOOPS_MAX {
                let (worker, loops) = (node.parts().worker, waits.loops_max);
                return Some(format!("a stream in ring {ring} of worker {worker} waited for {loops} loops"));
            }
        }
    }
    None
}
