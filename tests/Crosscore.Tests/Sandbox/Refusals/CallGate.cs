using System.Reflection;
using System.Runtime.InteropServices;
using Crosscore.Linux;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>
/// Stands between one copy of the library and the C library: every function that the copy imports goes through here,
/// and no call of the runtime's does, which makes the same ones and dies of a refusal. So what is refused is the
/// library's, whichever thread calls.
/// </summary>
internal sealed unsafe class CallGate
{
    private const int Arguments = 6;

    private static readonly List<CallGate> All = [];

    private readonly Lock _lock = new();
    private readonly string[] _functions;
    private readonly List<WatchedCall> _calls = [];
    private Refusal? _refusal;
    private bool _open = true;
    private bool _begins;
    private int _refused;

    private CallGate(string[] functions) => _functions = functions;

    /// <summary>How often a call was refused since <see cref="Watch"/>.</summary>
    public int Refused => Volatile.Read(ref _refused);

    /// <summary>
    /// The functions of the C library that an assembly imports; nothing may be imported of another library.
    /// </summary>
    public static string[] ImportsOf(Assembly library)
    {
        const BindingFlags Any =
            BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        DllImportAttribute[] imports =
        [
            .. library
                .GetTypes()
                .SelectMany(type => type.GetMethods(Any))
                .Select(method => method.GetCustomAttribute<DllImportAttribute>())
                .OfType<DllImportAttribute>(),
        ];
        return imports.All(import => import.Value == "libc")
            ? [.. imports.Select(import => import.EntryPoint!).Distinct().Order(StringComparer.Ordinal)]
            : throw new InvalidOperationException("The library imports something that is not of the C library.");
    }

    /// <summary>Puts a gate before a copy of the library that has not called anything yet.</summary>
    /// <param name="library">The copy.</param>
    /// <param name="folder">Where the file of the gate may lie until the process ends: two files of one number would
    /// be one library.</param>
    public static CallGate PutBefore(Assembly library, string folder)
    {
        string[] functions = ImportsOf(library);
        var gate = new CallGate(functions);
        string file = Path.Combine(folder, $"gate-{Guid.NewGuid():N}.so");
        File.WriteAllBytes(file, SharedElf.Build(functions));
        nint handle = NativeLibrary.Load(file);
        nint real = NativeLibrary.Load("libc", typeof(Membarrier).Assembly, null);
        nint* table = (nint*)NativeLibrary.GetExport(handle, SharedElf.Table);
        lock (All)
        {
            // SAFETY: the table has as many words, and no function of the file has been called yet.
            table[SharedElf.DecideSlot] = (nint)(delegate* unmanaged<long*, nint, int>)&Decide;
            table[SharedElf.ContextSlot] = All.Count;
            table[SharedElf.ErrnoSlot] = NativeLibrary.GetExport(real, "__errno_location");
            for (int i = 0; i < functions.Length; i++)
            {
                table[SharedElf.FirstRealSlot + i] = NativeLibrary.GetExport(real, functions[i]);
            }

            All.Add(gate);
        }

        NativeLibrary.SetDllImportResolver(library, (name, _, _) => name == "libc" ? handle : 0);
        return gate;
    }

    /// <summary>From now on calls are noted, and one is refused.</summary>
    public void Watch(Refusal? refusal)
    {
        lock (_lock)
        {
            _calls.Clear();
            _refusal = refusal;
            _refused = 0;
            _open = false;
            _begins = true;
        }
    }

    /// <summary>
    /// What was called since <see cref="Watch"/>; noted anew from here. What is refused forever remains so, and no
    /// refusal begins any more.
    /// </summary>
    public WatchedCall[] TakeCalls()
    {
        lock (_lock)
        {
            WatchedCall[] calls = [.. _calls];
            _calls.Clear();
            _begins = false;
            return calls;
        }
    }

    /// <summary>From now on everything is let through.</summary>
    public void Open()
    {
        lock (_lock)
        {
            _open = true;
        }
    }

    /// <summary>By a function of the gate.</summary>
    /// <param name="saved">The arguments from the last to the first, and the number of the function.</param>
    /// <param name="gate">Which.</param>
    [UnmanagedCallersOnly]
    private static int Decide(long* saved, nint gate)
    {
        CallGate asked;
        lock (All)
        {
            asked = All[(int)gate];
        }

        // SAFETY: SharedElf pushed seven words.
        Span<long> arguments = stackalloc long[Arguments];
        for (int i = 0; i < Arguments; i++)
        {
            arguments[i] = saved[Arguments - 1 - i];
        }

        return asked.Decide(asked._functions[(int)saved[Arguments]], arguments);
    }

    private int Decide(string function, ReadOnlySpan<long> arguments)
    {
        lock (_lock)
        {
            if (_open || WatchedCall.Infallible.Contains(function))
            {
                return 0;
            }

            var call = WatchedCall.Of(function, arguments);
            _calls.Add(call);
            bool refuse =
                _refusal is not null
                && (
                    _refused == 0
                        ? _begins
                            && call == _refusal.Call
                            && _calls.Count(earlier => earlier == call) == _refusal.Occurrence + 1
                        : _refusal.ForEver && call.Name == _refusal.Call.Name
                );
            if (!refuse)
            {
                return 0;
            }

            _refused++;
            if (function == "close")
            {
                OpenFile.Close((int)arguments[0]); // The kernel closes whatever it answers: close(2).
            }

            return _refusal!.Errno;
        }
    }
}
