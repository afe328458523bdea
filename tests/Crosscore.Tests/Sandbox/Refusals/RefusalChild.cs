using System.Net.Sockets;
using System.Reflection;
using System.Text;
using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>
/// The child's side of <see cref="RefusalSweep"/>: for each case that its parent asks for it loads this assembly and
/// the library anew, so that nothing is remembered of earlier cases, and executes the scenario on a thread whose
/// system calls the parent answers.
/// </summary>
internal static class RefusalChild
{
    public const string SocketVariable = "CROSSCORE_REFUSALS";
    public const string ScenarioVariable = "CROSSCORE_REFUSED_SCENARIO"; // type, a bar, name

    /// <summary>Longer than any case takes on a machine that does ten other things.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    public static int Run()
    {
        string[] scenario = Environment.GetEnvironmentVariable(ScenarioVariable)!.Split('|');

        // What .NET and the C library ask the system once in a process is asked before anything is counted.
        _ = FreshCopy.Load(typeof(RefusalChild)).GetMethod(nameof(UseFreely),
            BindingFlags.Static | BindingFlags.NonPublic)!
            .Invoke(null, [scenario[0], scenario[1]]);
        using var parent = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        parent.Connect(new UnixDomainSocketEndPoint(Environment.GetEnvironmentVariable(SocketVariable)!));
        byte[] order = new byte[1];
        while (parent.Receive(order) == 1)
        {
            string report = RunCase(scenario[0], scenario[1], parent);
            byte[] text = Encoding.UTF8.GetBytes(report);
            _ = parent.Send(BitConverter.GetBytes(text.Length));
            _ = parent.Send(text);
            if (report.Contains("hung\t", StringComparison.Ordinal))
            {
                return 1; // the thread cannot be ended; the parent starts another child
            }
        }

        return 0;
    }

    private static string RunCase(string type, string name, Socket parent)
    {
        Type scenarios = FreshCopy.Load(typeof(RefusalChild));
        const BindingFlags Hidden = BindingFlags.Static | BindingFlags.NonPublic;
        var refused = scenarios.GetMethod(nameof(UseUnderRefusal), Hidden)!.CreateDelegate<Func<string, string,
            Func<bool>, string>>();
        var free = scenarios.GetMethod(nameof(UseFreely), Hidden)!.CreateDelegate<Func<string, string, string>>();
        string report = "";
        var thread = new Thread(() => report = refused(type, name, () => HandOver(parent))) { IsBackground = true };
        thread.Start();
        if (!thread.Join(Bound))
        {
            return $"hung\tthe use of '{name}' did not return within {Bound}";
        }

        thread = new Thread(() => report += free(type, name)) { IsBackground = true };
        thread.Start();
        return thread.Join(Bound) ? report
            : $"{report}hung\ta later use of '{name}', of which nothing was refused, did not return within {Bound}";
    }

    /// <summary>
    /// In the copy: the scenario twice on a thread whose calls are answered by the parent, and what of that thread
    /// and process is different afterwards.
    /// </summary>
    private static string UseUnderRefusal(string type, string name, Func<bool> handOver)
    {
        RefusalScenario scenario = Find(type, name);
        scenario.Prepare?.Invoke();
        string before = State();
        if (!handOver())
        {
            return "unavailable\t\n";
        }

        Mark(CallSupervisor.MarkFirstUse);
        string first = Outcome(scenario);
        Mark(CallSupervisor.MarkSecondUse);
        string second = Outcome(scenario);
        Mark(CallSupervisor.MarkEnd);
        string after = State();
        return $"first\t{first}\nsecond\t{second}\nstate\t{(before == after ? "same" : $"{before} became {after}")}\n";
    }

    /// <summary>Tells the parent where this thread is.</summary>
    private static void Mark(int mark) => _ = MembarrierCall.Invoke(mark, 0, 0);

    private static string UseFreely(string type, string name) => $"later\t{Outcome(Find(type, name))}\n";

    private static RefusalScenario Find(string type, string name) =>
        ((IReadOnlyList<RefusalScenario>)typeof(RefusalChild)
            .Assembly.GetType(type)!.GetProperty("All",
            BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!.GetValue(null)!)
        .Single(scenario => scenario.Name == name);

    private static string Outcome(RefusalScenario scenario)
    {
        try
        {
            scenario.Use();
            return "done";
        }
        catch (Exception exception)
        {
            bool documented = scenario.Documented.Any(type => type.IsInstanceOfType(exception))
                && exception is not CodeException { Failure: CodeFailure.Unexpected };
            string text = documented ? $"{exception.GetType().Name}: {exception.Message}" : exception.ToString();
            return $"{(documented ? "documented" : "undocumented")}\t{text.ReplaceLineEndings(" ")}";
        }
    }

    /// <summary>Where the thread may run, which must come back.</summary>
    private static string State()
    {
        byte[] mask = new byte[Affinity.MaskLength];
        int answer = Affinity.Get(mask);
        return answer < 0 ? $"affinity unknown ({Errno.Name(-answer)})"
            : $"affinity {Convert.ToHexString(mask.AsSpan(0, 128)).TrimEnd('0')}";
    }

    private static bool HandOver(Socket parent)
    {
        int listener = CallFilter.NotifyOfThisThread(WatchedCalls.Numbers);
        _ = parent.Send(BitConverter.GetBytes(listener));
        byte[] answer = new byte[1];
        return parent.Receive(answer) == 1 && answer[0] == 1 && listener >= 0;
    }
}
