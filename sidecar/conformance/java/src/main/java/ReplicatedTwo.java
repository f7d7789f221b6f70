import cloudstate.tck.model.crdt.Crdt.Request;
import cloudstate.tck.model.crdt.Crdt.RequestAction;
import cloudstate.tck.model.crdt.Crdt.Response;
import io.cloudstate.javasupport.crdt.CommandContext;
import io.cloudstate.javasupport.crdt.CommandHandler;
import io.cloudstate.javasupport.crdt.CrdtCreationContext;
import io.cloudstate.javasupport.crdt.CrdtEntity;
import io.cloudstate.javasupport.crdt.Flag;

/** What forwards and effects of Replicated go to. */
@CrdtEntity
public class ReplicatedTwo {
  public ReplicatedTwo(CrdtCreationContext context) {
    if (!context.state(Flag.class).isPresent()) {
      context.newFlag();
    }
  }

  @CommandHandler
  public Response call(Request request, CommandContext context) {
    if (request.getActionsList().stream().anyMatch(RequestAction::hasDelete)) {
      context.delete();
    }
    return Response.getDefaultInstance();
  }
}
