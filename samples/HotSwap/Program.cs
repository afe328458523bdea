// Four threads call a function that is replaced a hundred thousand times under them. Version n of it returns n in the
// low and in the high half of its result, from two instructions, so a thread that ran a part of one version and a part
// of another would return two different halves.
using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Code;

const int Versions = 100_000;
const int Callers = 4;
if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
{
    Console.WriteLine("The code of this sample is x86-64.");
    return 1;
}

// Callers and the one who replaces share the processors, so it takes a while; progress is shown all the time.
Console.WriteLine(
    $"{Callers} threads call one function, on {Environment.ProcessorCount} processors, while it is "
        + $"replaced {Versions:N0} times: each version is new machine code, the old one is unmapped."
);
Console.WriteLine($"{"version", 10} {"unmapped", 10} {"calls", 16} {"versions met", 14} {"mixtures", 10}");
InstalledCode current = Install(0);
var slot = new CodeSlot(current.Address);
CodeReclaimer reclaimer = CodeReclaimer.AfterSuspension;
var callers = new Caller[Callers];
for (int index = 0; index < callers.Length; index++)
{
    callers[index] = new Caller(slot.Address);
}

long began = Stopwatch.GetTimestamp();
long shown = began;
for (uint version = 1; version <= Versions; version++)
{
    InstalledCode next = Install(version);
    slot.Target = next.Address; // one store: who calls from now on runs the next version
    reclaimer.Retire(current); // unmapped when no thread can be in it any more
    current = next;
    if (Stopwatch.GetElapsedTime(shown) >= TimeSpan.FromSeconds(1))
    {
        shown = Stopwatch.GetTimestamp();
        Console.WriteLine(
            $"{version, 10:N0} {version - reclaimer.Waiting, 10:N0} {callers.Sum(caller => caller.Calls), 16:N0} "
                + $"{callers.Sum(caller => caller.VersionsSeen), 14:N0} {callers.Sum(caller => caller.Mixtures), 10:N0}"
        );
    }
}

TimeSpan time = Stopwatch.GetElapsedTime(began);
long calls = 0;
long mixtures = 0;
long versions = 0;
long backwards = 0;
foreach (Caller caller in callers)
{
    caller.Stop();
    calls += caller.Calls;
    mixtures += caller.Mixtures;
    versions += caller.VersionsSeen;
    backwards += caller.Backwards;
}

int waiting = reclaimer.Waiting;
_ = reclaimer.WaitAndReclaim();
Console.WriteLine(
    $"{Versions} versions in {time.TotalSeconds:F1} s; {calls} calls by "
        + $"{callers.Length} threads, which met {versions} changes of version"
);
Console.WriteLine($"mixtures of two versions: {mixtures}; an older version after a newer one: {backwards}");
Console.WriteLine($"versions unmapped: {Versions - reclaimer.Waiting}, of them {waiting} at the end");
return mixtures == 0 && backwards == 0 && versions > callers.Length ? 0 : 1;

static InstalledCode Install(uint version)
{
    // mov eax, version; mov rdx, version << 32; or rax, rdx; ret
    byte[] code = [0xB8, 0, 0, 0, 0, 0x48, 0xBA, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x09, 0xD0, 0xC3];
    BinaryPrimitives.WriteUInt32LittleEndian(code.AsSpan(1), version);
    BinaryPrimitives.WriteUInt32LittleEndian(code.AsSpan(11), version);
    using SealedCode sealedCode = SealedCode.Seal(code);
    return sealedCode.Install();
}

/// <summary>A thread that does nothing but call.</summary>
internal sealed unsafe class Caller
{
    private readonly Thread _thread;
    private volatile bool _isOver;

    public Caller(nint address)
    {
        _thread = new Thread(() => Run(address));
        _thread.Start();
    }

    public long Calls { get; private set; }

    public long Mixtures { get; private set; }

    public long VersionsSeen { get; private set; }

    public long Backwards { get; private set; }

    public void Stop()
    {
        _isOver = true;
        _thread.Join();
    }

    private void Run(nint address)
    {
        long newest = -1;
        while (!_isOver)
        {
            ulong answer = Call(address);
            uint low = (uint)answer;
            Calls++;
            Mixtures += low != (uint)(answer >> 32) ? 1 : 0;
            VersionsSeen += low != newest ? 1 : 0;
            Backwards += low < newest ? 1 : 0;
            newest = low;
        }
    }

    // In a separate method, which CodeReclaimer.AfterSuspension asks for.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong Call(nint address)
    {
        // SAFETY: the slot leads to functions without arguments that return 64 bits, touch no memory, and are unmapped
        // only after every call has returned.
        return ((delegate* unmanaged[SuppressGCTransition]<ulong>)address)();
    }
}
