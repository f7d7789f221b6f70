import cloudstate.tck.model.Eventsourced;
import com.google.protobuf.Descriptors.FileDescriptor;
import io.cloudstate.javasupport.CloudState;

/** Serves the models of event sourced entities, where HOST and PORT say. */
public final class Function {
  public static void main(String[] args) throws Exception {
    FileDescriptor file = Eventsourced.getDescriptor();
    new CloudState()
        .registerEventSourcedEntity(Model.class, file.findServiceByName("EventSourcedTckModel"), file)
        .registerEventSourcedEntity(Two.class, file.findServiceByName("EventSourcedTwo"), file)
        .start()
        .toCompletableFuture()
        .get();
  }
}
