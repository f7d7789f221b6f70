import cloudstate.tck.model.Eventsourced;
import cloudstate.tck.model.crdt.Crdt;
import com.google.protobuf.Descriptors.FileDescriptor;
import io.cloudstate.javasupport.CloudState;

/** Serves the models of event sourced and of replicated entities, where HOST and PORT say. */
public final class Function {
  public static void main(String[] args) throws Exception {
    FileDescriptor file = Eventsourced.getDescriptor();
    FileDescriptor replicated = Crdt.getDescriptor();
    new CloudState()
        .registerEventSourcedEntity(Model.class, file.findServiceByName("EventSourcedTckModel"), file)
        .registerEventSourcedEntity(Two.class, file.findServiceByName("EventSourcedTwo"), file)
        .registerCrdtEntity(Replicated.class, replicated.findServiceByName("CrdtTckModel"), replicated)
        .registerCrdtEntity(ReplicatedTwo.class, replicated.findServiceByName("CrdtTwo"), replicated)
        .start()
        .toCompletableFuture()
        .get();
  }
}
