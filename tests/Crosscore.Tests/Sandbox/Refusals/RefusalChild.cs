using System.Globalization;
using System.Reflection;
using System.Runtime.Loader;
using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>
/// The child's side of <see cref="RefusalSweep"/>. A first child uses the scenario and writes down the calls; each
/// later one takes the list of cases and does as many as it can: those of a first use in a copy of this assembly and
/// the library that has just been loaded, so that nothing is remembered of earlier cases; those of a later use in one
/// copy.
/// </summary>
internal static class RefusalChild
{
    public const string ScenarioVariable = "CROSSCORE_REFUSED_SCENARIO"; // type, a bar, name
    public const string FolderVariable = "CROSSCORE_REFUSAL_FOLDER";
    public const string StartVariable = "CROSSCORE_FIRST_REFUSAL"; // the number of the first case, or none

    /// <summary>In the folder: the cases, one a line.</summary>
    public const string CasesFile = "cases";

    /// <summary>Copies are never unloaded, so a process takes a limited number.</summary>
    private const int MostCopies = 80;

    /// <summary>Longer than any case takes on a machine that does ten other things.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    public static int Run()
    {
        string[] scenario = Environment.GetEnvironmentVariable(ScenarioVariable)!.Split('|');
        string folder = Environment.GetEnvironmentVariable(FolderVariable)!;

        // What .NET and the C library do once in a process, and what the kernel remembers of it, is done before.
        var warm = new Copy(scenario[0], scenario[1], folder);
        // A second and a third use do what only they do.
        Print("warm", warm.UseFreely());
        Print("warm", warm.UseFreely());
        Print("warm", warm.UseFreely());
        string? first = Environment.GetEnvironmentVariable(StartVariable);
        if (!int.TryParse(first, CultureInfo.InvariantCulture, out int start))
        {
            PrintCalls("later", warm);
            PrintCalls("first", new Copy(scenario[0], scenario[1], folder));
            return 0;
        }

        string[] lines = File.ReadAllLines(Path.Combine(folder, CasesFile));
        int copies = 0;
        for (int number = start; number < lines.Length && copies < MostCopies; number++)
        {
            var refusal = Refusal.Parse(lines[number]);
            if (copies > 0 && !refusal.Fresh)
            {
                break; // A copy that was loaded later stands before the warm one, as a handler of signals does.
            }

            copies += refusal.Fresh ? 1 : 0;
            Print("begin", $"{number}");
            if (!RunCase(refusal.Fresh ? new Copy(scenario[0], scenario[1], folder) : warm, refusal))
            {
                return 0; // The thread cannot be ended; the parent starts another child.
            }

            Print("end", $"{number}");
        }

        return 0;
    }

    private static void PrintCalls(string title, Copy copy)
    {
        copy.Prepare();
        copy.Gate.Watch(null);
        string outcome = copy.UseFreely();
        foreach (WatchedCall call in copy.Gate.TakeCalls())
        {
            Print("call", $"{title}\t{call.Name}\t{call.Detail}");
        }

        copy.Gate.Open();
        Print(title, outcome);
    }

    private static bool RunCase(Copy copy, Refusal refusal)
    {
        string first = "";
        string second = "";
        string before = "";
        string after = "";
        copy.Prepare();
        int held = HeldInTheEnd();
        bool ended = Runs(() =>
        {
            before = Affinities();
            copy.Gate.Watch(refusal);
            first = copy.UseFreely();
            _ = copy.Gate.TakeCalls();
            second = copy.UseFreely();
            copy.Gate.Open();
            after = Affinities();
        });
        Print("refused", $"{copy.Gate.Refused}");
        if (!ended)
        {
            copy.Gate.Open();
            Print("hung", $"the use did not return within {Bound}; its first part: {first}");
            return false;
        }

        Print("first", first);
        Print("second", second);
        Print("affinity", before == after ? "same" : $"{before} became {after}");
        string later = "";
        if (!Runs(() => later = copy.UseFreely()))
        {
            Print("hung", $"a later use, of which nothing was refused, did not return within {Bound}");
            return false;
        }

        Print("later", later);
        if (!refusal.Fresh)
        {
            int holds = HeldInTheEnd();
            Print("held", holds <= held ? "same" : $"{held} descriptors and mappings became {holds}");
        }

        return true;
    }

    private static bool Runs(Action action)
    {
        var thread = new Thread(() => action()) { IsBackground = true };
        thread.Start();
        return thread.Join(Bound);
    }

    private static void Print(string part, string text) => Console.WriteLine($"{part}\t{text}");

    /// <summary>
    /// The descriptors and mappings that are the library's: of memory files, of /proc and /sys, and sockets. The
    /// runtime opens files and maps memory whenever it likes.
    /// </summary>
    /// <param name="file">How the names of the memory files that are mapped begin.</param>
    internal static int Held(string file = "crosscore") =>
        Directory.GetFiles("/proc/self/fd").Count(IsOurs)
        + File.ReadLines("/proc/self/maps").Count(line => line.Contains($"memfd:{file}", StringComparison.Ordinal));

    private static bool IsOurs(string descriptor)
    {
        string target = new FileInfo(descriptor).LinkTarget ?? ""; // null: that by which the folder was listed
        return target.Contains("memfd:crosscore", StringComparison.Ordinal)
            || target.StartsWith("/sys/", StringComparison.Ordinal)
            || (
                target.StartsWith("/proc/", StringComparison.Ordinal)
                && !target.EndsWith("/fd", StringComparison.Ordinal)
            )
            || target.StartsWith("socket:", StringComparison.Ordinal);
    }

    private static int HeldInTheEnd()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Held();
    }

    /// <summary>Where the thread may run, which must come back.</summary>
    private static string Affinities()
    {
        byte[] mask = new byte[Affinity.MaskLength];
        int answer = Affinity.Get(mask);
        return answer < 0
            ? $"affinity unknown ({Errno.Name(-answer)})"
            : $"affinity {Convert.ToHexString(mask.AsSpan(0, 128)).TrimEnd('0')}";
    }

    /// <summary>In a copy: what came of a use.</summary>
    private static string Use(string type, string name)
    {
        RefusalScenario scenario = Find(type, name);
        try
        {
            scenario.Use();
            return "done";
        }
        catch (Exception exception)
        {
            bool documented =
                scenario.Documented.Any(one => one.IsInstanceOfType(exception))
                && exception is not CodeException { Failure: CodeFailure.Unexpected };
            string text = documented ? $"{exception.GetType().Name}: {exception.Message}" : exception.ToString();
            return $"{(documented ? "documented" : "undocumented")} {text.ReplaceLineEndings(" ")}";
        }
    }

    /// <summary>In a copy: what has to be there before.</summary>
    private static string Prepare(string type, string name)
    {
        Find(type, name).Prepare?.Invoke();
        return "";
    }

    private static RefusalScenario Find(string type, string name) =>
        (
            (IReadOnlyList<RefusalScenario>)
                typeof(RefusalChild)
                    .Assembly.GetType(type)!
                    .GetProperty("All", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!
                    .GetValue(null)!
        ).Single(scenario => scenario.Name == name);

    /// <summary>This assembly and the library once more, with a gate before the C library.</summary>
    private sealed class Copy
    {
        private readonly Func<string, string, string> _use;
        private readonly Func<string, string, string> _prepare;
        private readonly string _type;
        private readonly string _name;
        private bool _prepared;

        public Copy(string type, string name, string folder)
        {
            Type copy = FreshCopy.Load(typeof(RefusalChild));
            Assembly library = AssemblyLoadContext
                .GetLoadContext(copy.Assembly)!
                .LoadFromAssemblyName(typeof(Membarrier).Assembly.GetName());
            Gate = CallGate.PutBefore(library, folder);
            _use = Method(copy, nameof(Use));
            _prepare = Method(copy, nameof(Prepare));
            _type = type;
            _name = name;
        }

        public CallGate Gate { get; }

        public string UseFreely() => _use(_type, _name);

        /// <summary>Once.</summary>
        public void Prepare()
        {
            if (!_prepared)
            {
                _ = _prepare(_type, _name);
                _prepared = true;
            }
        }

        private static Func<string, string, string> Method(Type copy, string name) =>
            copy.GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic)!
                .CreateDelegate<Func<string, string, string>>();
    }
}
