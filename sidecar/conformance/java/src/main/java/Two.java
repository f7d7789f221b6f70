import cloudstate.tck.model.Eventsourced.Request;
import cloudstate.tck.model.Eventsourced.Response;
import io.cloudstate.javasupport.eventsourced.CommandHandler;
import io.cloudstate.javasupport.eventsourced.EventSourcedEntity;

/** What forwards and effects of Model go to. */
@EventSourcedEntity(persistenceId = "event-sourced-tck-model-two")
public class Two {
  @CommandHandler
  public Response call(Request request) {
    return Response.getDefaultInstance();
  }
}
