import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;

/** A server of MongoDB's wire protocol on a free port of loopback, which it prints. It ends when its input does. */
public final class WireServer {
    public static void main(String[] arguments) throws Exception {
        MongoServer server = new MongoServer(new MemoryBackend());
        server.bind(new InetSocketAddress("127.0.0.1", arguments.length > 0 ? Integer.parseInt(arguments[0]) : 0));
        System.out.println(server.getLocalAddress().getPort());
        while (System.in.read() >= 0) {
            // Whoever started it holds the other end; when that one dies, the server does too.
        }
        server.shutdownNow();
        System.exit(0);
    }
}
