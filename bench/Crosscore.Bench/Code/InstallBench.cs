using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Bench.Barriers;
using Crosscore.Code;

namespace Crosscore.Bench.Code;

/// <summary>
/// Installing code beside a sibling that runs, against what the runtime does for each of its methods; and slots.
/// </summary>
internal static unsafe partial class InstallBench
{
    private const int Functions = 1024; // of 64 bytes: 64 KiB
    private const int Turns = 300;
    private const int SwapsATurn = 1000;

    public static void Run()
    {
        if (!OperatingSystem.IsLinux() || Environment.ProcessorCount < 2)
        {
            Console.WriteLine();
            Console.WriteLine("Code: needs Linux and a second processor");
            return;
        }

        PrintInstalling();
        PrintSlots();
    }

    private static void PrintInstalling()
    {
        byte[][] functions = [.. Enumerable.Range(0, Functions).Select(Function)];
        string[] names = [.. Enumerable.Range(0, Functions).Select(index => $"function{index}")];
        var unnamed = new CodeWriter();
        var named = new CodeWriter();
        var lone = new CodeWriter();
        using var window = new Window();
        using var bare = new BareCalls(Functions * functions[0].Length);
        var installed = new List<InstalledCode>(8 * Turns);
        (string Name, int Each, Action Call)[] calls =
        [
            ("64 KiB segment: write, seal, install", Functions, () => Install(unnamed, functions, null, installed)),
            ("the same, functions with names", Functions, () => Install(named, functions, names, installed)),
            ("one function to a segment", 1, () => Install(lone, functions.AsSpan(0, 1), null, installed)),
            ("the system calls of the first row alone", Functions, bare.Install),
            ("map a writable window, write, unmap", 1, () => window.Write(functions[0])),
        ];

        // The last in each turn gives the memory back, so that the next turn does not measure the first use of memory
        // by this machine. Its own time is not looked at.
        Action[] actions = [.. calls.Select(call => call.Call), () => Dispose(installed, bare)];
        WarmUp(actions);
        using var sibling = new InterruptedSibling();
        sibling.Medians(actions, Turns / 4);
        double[] medians = sibling.Medians(actions, Turns);
        Dispose(installed, bare);
        var table = new Table(
            "Installing 64-byte functions, a sibling running on another processor (medians of calls that took turns)",
            "how",
            "ns a function",
            "ratio"
        );
        for (int index = 0; index < calls.Length; index++)
        {
            double each = medians[index] / calls[index].Each;
            table.Add(
                calls[index].Name,
                each.ToString("N1", CultureInfo.InvariantCulture),
                Table.Ratio(each, medians[0] / calls[0].Each)
            );
        }

        table.Print();
    }

    private static void PrintSlots()
    {
        using SealedCode code = SealedCode.Seal(Function(1));
        using InstalledCode one = code.Install();
        using InstalledCode two = code.Install();
        var slot = new CodeSlot(one.Address);
        nint* other = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
        using (var sibling = new InterruptedSibling())
        {
            Action[] actions =
            [
                () => Swap(slot, one.Address, two.Address),
                () => Swap(other, one.Address, two.Address),
            ];
            sibling.Medians(actions, 100);
            double[] medians = sibling.Medians(actions, Turns);
            var table = new Table(
                "Swapping the target of a slot, a sibling running on another processor",
                "how",
                "ns",
                "ratio"
            );
            table.Add(
                "CodeSlot.Target = ..., counted",
                (medians[0] / SwapsATurn).ToString("N2", CultureInfo.InvariantCulture),
                Table.Ratio(medians[0], medians[1])
            );
            NativeMemory.Free(other);
            table.Add(
                "a store to memory",
                (medians[1] / SwapsATurn).ToString("N2", CultureInfo.InvariantCulture),
                "1.00 x"
            );
            table.Print();
        }

        (string Name, Func<nint, long, long> Loop)[] loops =
        [
            ("ordinary", CallOrdinary),
            ("SuppressGCTransition", CallSuppressed),
        ];
        var callTable = new Table(
            "Calling functions that return a constant, ns a call in a loop "
                + "(16 functions, 16 slots; of each the least of 8 rounds; medians)",
            "call",
            "direct",
            "through a slot",
            "dearer by"
        );
        var writer = new CodeWriter();
        CodeFunction[] sixteen = [.. Enumerable.Range(0, 16).Select(index => writer.Append(Function(index)))];
        using SealedCode many = writer.Seal();
        using InstalledCode installed = many.Install();
        nint[] direct = Array.ConvertAll(sixteen, installed.AddressOf);
        nint[] through = Array.ConvertAll(direct, address => new CodeSlot(address).Address);
        foreach ((string name, Func<nint, long, long> loop) in loops)
        {
            // Where a function happens to lie makes a direct call 1 ns dearer or cheaper (branch prediction), so one
            // address says little.
            double[] times = [MedianOf(loop, direct), MedianOf(loop, through)];
            callTable.Add(
                name,
                times[0].ToString("N2", CultureInfo.InvariantCulture),
                times[1].ToString("N2", CultureInfo.InvariantCulture),
                (times[1] - times[0]).ToString("N2", CultureInfo.InvariantCulture)
            );
        }

        callTable.Print();
    }

    private static void Install(
        CodeWriter writer,
        ReadOnlySpan<byte[]> functions,
        string[]? names,
        List<InstalledCode> installed
    )
    {
        writer.Clear();
        for (int index = 0; index < functions.Length; index++)
        {
            _ = writer.Append(functions[index], names?[index]);
        }

        using SealedCode code = writer.Seal();
        installed.Add(code.Install());
    }

    /// <summary>
    /// The compiler's best code comes after two rounds of compiling, each begun when nothing new has been called for
    /// 100 ms; a sibling on the other processor would be in its way.
    /// </summary>
    private static void WarmUp(Action[] actions)
    {
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(2))
        {
            Array.ForEach(actions, action => action());
            Thread.Sleep(1);
        }
    }

    private static void Dispose(List<InstalledCode> installed, BareCalls bare)
    {
        bare.Clear();
        installed.ForEach(code => code.Dispose());
        installed.Clear();
    }

    private static void Swap(CodeSlot slot, nint one, nint two)
    {
        for (int swap = 0; swap < SwapsATurn; swap += 2)
        {
            slot.Target = two;
            slot.Target = one;
        }
    }

    private static void Swap(nint* cell, nint one, nint two)
    {
        for (int swap = 0; swap < SwapsATurn; swap += 2)
        {
            Volatile.Write(ref *cell, two);
            Volatile.Write(ref *cell, one);
        }
    }

    private static double MedianOf(Func<nint, long, long> loop, nint[] addresses)
    {
        const long Calls = 1_000_000;
        double[] least = Array.ConvertAll(addresses, _ => double.MaxValue);
        for (int round = 0; round < 8; round++)
        {
            for (int which = 0; which < addresses.Length; which++)
            {
                long began = Stopwatch.GetTimestamp();
                _ = loop(addresses[which], Calls);
                least[which] = Math.Min(least[which], Stopwatch.GetElapsedTime(began).TotalNanoseconds / Calls);
            }
        }

        Array.Sort(least);
        return least[least.Length / 2];
    }

    // SAFETY of both: the address is that of a function which takes nothing and returns an int, or of a slot that leads
    // to one.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static long CallOrdinary(nint address, long calls)
    {
        long sum = 0;
        for (long call = 0; call < calls; call++)
        {
            sum += ((delegate* unmanaged<int>)address)();
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static long CallSuppressed(nint address, long calls)
    {
        long sum = 0;
        for (long call = 0; call < calls; call++)
        {
            sum += ((delegate* unmanaged[SuppressGCTransition]<int>)address)();
        }

        return sum;
    }

    /// <summary>
    /// 64 bytes that begin with a function returning a number: mov eax, number; ret - or mov w0, #number; ret.
    /// </summary>
    private static byte[] Function(int number)
    {
        byte[] code = new byte[64];
        bool x64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        code.AsSpan().Fill(x64 ? (byte)0x90 : (byte)0);
        byte[] start = x64
            ? [0xB8, (byte)number, (byte)(number >> 8), 0, 0, 0xC3]
            : [.. BitConverter.GetBytes(0x52800000 | ((uint)(ushort)number << 5)), 0xC0, 0x03, 0x5F, 0xD6];
        start.CopyTo(code, 0);
        return code;
    }

    /// <summary>
    /// As CoreCLR does it for a method when W^X is on: the code lies in a shared memory file that is mapped executable,
    /// and for each write a window of the same file is mapped writable, written through and unmapped again.
    /// </summary>
    private sealed partial class Window : IDisposable
    {
        private const int ReadWrite = 1 | 2;
        private const int Shared = 1;
        private readonly int _file;

        public Window()
        {
            _file = MemfdCreate("window", 0);
            if (_file < 0 || Ftruncate(_file, Environment.SystemPageSize) != 0)
            {
                throw new InvalidOperationException("No memory file.");
            }
        }

        public void Write(byte[] code)
        {
            nint window = Mmap(0, (nuint)Environment.SystemPageSize, ReadWrite, Shared, _file, 0);
            code.CopyTo(new Span<byte>((void*)window, code.Length)); // SAFETY: a page, mapped writable one line above
            _ = Munmap(window, (nuint)Environment.SystemPageSize);
        }

        public void Dispose() => _ = Close(_file);

        [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
        private static partial int MemfdCreate(string name, uint flags);

        [LibraryImport("libc", EntryPoint = "ftruncate")]
        private static partial int Ftruncate(int file, long length);

        [LibraryImport("libc", EntryPoint = "mmap")]
        private static partial nint Mmap(nint address, nuint length, int protection, int flags, int file, long offset);

        [LibraryImport("libc", EntryPoint = "munmap")]
        private static partial int Munmap(nint address, nuint length);

        [LibraryImport("libc", EntryPoint = "close")]
        private static partial int Close(int file);
    }
}
