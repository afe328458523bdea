using System.Net;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Crosscore.HazardPointers;
using Crosscore.Locks;
using Crosscore.Rcu;
using Crosscore.Structures;

namespace Crosscore.Tests.Examples;

/// <summary>
/// The examples in the XML documentation of the types that people start with. Each stands here too, between markers,
/// word for word.
/// </summary>
public sealed partial class XmlExampleTests
{
    private static readonly string[] Folders = ["Fences", "Rcu", "HazardPointers", "Locks", "Structures"];

    [Fact]
    public void The_examples_of_the_documentation_are_compiled_here()
    {
        string root = RepositoryRoot();
        IEnumerable<string> documented = Folders
            .SelectMany(folder =>
                Directory.EnumerateFiles(
                    Path.Combine(root, "src/Crosscore", folder),
                    "*.cs",
                    SearchOption.AllDirectories
                )
            )
            .SelectMany(file => Example().Matches(File.ReadAllText(file)))
            .Select(match => WebUtility.HtmlDecode(CommentMark().Replace(match.Groups[1].Value, "")));
        string here = File.ReadAllText(Path.Combine(root, "tests/Crosscore.Tests/Examples/XmlExampleTests.cs"));
        IEnumerable<string> compiled = Block().Matches(here).Select(match => Unindented(match.Groups[1].Value));
        Assert.Equal(compiled.Order(), documented.Order());
        Assert.Equal(11, documented.Count());
    }

    [Fact]
    public void AsymmetricFence_example()
    {
        bool inside = false;
        bool closed = false;
        // example
        // Often, on one thread:
        Volatile.Write(ref inside, true);
        AsymmetricFence.Light(); // pairs with Heavy: this thread sees closed, or the other one sees inside
        if (!Volatile.Read(ref closed))
        {
            Console.WriteLine("working");
        }

        Volatile.Write(ref inside, false);

        // Rarely, on another thread:
        Volatile.Write(ref closed, true);
        AsymmetricFence.Heavy(); // pairs with Light
        SpinWait.SpinUntil(() => !Volatile.Read(ref inside));
        // end
    }

    [Fact]
    public void Membarrier_example()
    {
        Assert.SkipUnless(
            Membarrier.TryRegister(MembarrierRegistrations.PrivateExpedited, out _),
            "membarrier(2) is unavailable here."
        );
        // example
        if (Membarrier.Supported.HasFlag(MembarrierCommands.PrivateExpedited))
        {
            Membarrier.Register(MembarrierRegistrations.PrivateExpedited); // once, early
            Membarrier.PrivateExpedited(); // every running thread of the process has passed a full fence
        }
        // end
    }

    [Fact]
    public void MachineGuarantees_example()
    {
        // example
        foreach (MachineGuarantee guarantee in MachineGuarantees.Detect())
        {
            Console.WriteLine($"{guarantee.Holds}: {guarantee.What} ({guarantee.Source})");
        }

        MachineGuarantee light = MachineGuarantees.Detect(MachinePromise.LightFenceIsFree);
        Console.WriteLine(light.Holds == GuaranteeAnswer.Yes ? "the light fence is free" : light.Source);
        // end
        Assert.Equal(MachinePromise.LightFenceIsFree, light.Promise);
    }

    [Fact]
    public unsafe void RcuDomain_example()
    {
        // example
        using var domain = new RcuDomain();
        nint table = (nint)NativeMemory.AllocZeroed(1024);

        // Readers, often:
        using (domain.EnterReadSection())
        {
            nint seen = Volatile.Read(ref table);
            Console.WriteLine(((byte*)seen)[5]);
        }

        // A writer, rarely: unlink first, then retire.
        nint old = Interlocked.Exchange(ref table, (nint)NativeMemory.AllocZeroed(1024));
        domain.Retire(old, static address => NativeMemory.Free((void*)address), bytes: 1024);
        // end
        domain.Barrier();
        NativeMemory.Free((void*)table);
    }

    [Fact]
    public void RcuCell_example()
    {
        // example
        using var certificate = new RcuCell<MemoryStream>(new MemoryStream(100));
        using (certificate.Read(out MemoryStream current))
        {
            Console.WriteLine(current.Capacity); // not disposed of before the end of this block
        }

        certificate.Replace(new MemoryStream(200)); // the old one is disposed of after its last reader has left
        // end
        Assert.Same(RcuDomain.Default, certificate.Domain);
    }

    [Fact]
    public void HazardDomain_example()
    {
        // example
        using var domain = new HazardDomain();
        MemoryStream? current = new MemoryStream(100);

        // A reader protects the one object that it uses:
        using (HazardPointer pointer = domain.Acquire())
        {
            MemoryStream? seen = pointer.Protect(ref current);
            Console.WriteLine(seen?.Capacity);
        }

        // A writer unlinks the object first, then retires it:
        MemoryStream? old = Interlocked.Exchange(ref current, null);
        domain.Retire(old!, static stream => stream.Dispose());
        // end
        domain.Reclaim();
        Assert.False(old!.CanRead);
    }

    [Fact]
    public void BiasedLock_example()
    {
        int count = 0;
        // example
        var gate = new BiasedLock();
        using (gate.EnterScope()) // nearly free for the thread that does it nearly always
        {
            count++;
        }

        if (gate.TryEnter(TimeSpan.FromSeconds(1)))
        {
            count++;
            gate.Exit();
        }
        // end
        Assert.Equal(2, count);
    }

    [Fact]
    public void AsymmetricReaderWriterLock_example()
    {
        int value = 0;
        // example
        var gate = new AsymmetricReaderWriterLock();
        using (gate.EnterReadScope()) // often, by any number of threads
        {
            Console.WriteLine(value);
        }

        using (gate.EnterWriteScope()) // rarely, alone
        {
            value++;
        }
        // end
        Assert.Equal(1, value);
    }

    [Fact]
    public void ReadMostlyMap_example()
    {
        using var domain = new RcuDomain();
        // example
        using var map = new ReadMostlyMap<string, MemoryStream>(domain);
        map.Set("first", new MemoryStream(100));
        using (RcuReadSection section = domain.EnterReadSection())
        {
            if (map.TryGetValue(section, "first", out MemoryStream? found))
            {
                Console.WriteLine(found.Capacity); // not disposed of before the end of this block
            }
        }

        map.TryRemove("first"); // the stream is disposed of after its last reader has left
        // end
        Assert.Equal(0, map.Count);
    }

    [Fact]
    public void NativeQueue_example()
    {
        // example
        using var queue = new NativeQueue<long>();
        queue.Enqueue(1);
        if (queue.TryDequeue(out long oldest))
        {
            Console.WriteLine(oldest);
        }
        // end
        Assert.Equal(1, oldest);
    }

    [Fact]
    public void NativeStack_example()
    {
        // example
        using var stack = new NativeStack<long>();
        stack.Push(1);
        if (stack.TryPop(out long newest))
        {
            Console.WriteLine(newest);
        }
        // end
        Assert.Equal(1, newest);
    }

    private static string Unindented(string block)
    {
        string[] lines = block.Split('\n');
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length >= indent ? line[indent..] : line));
    }

    private static string RepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder =
                Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("The tests do not run inside of the repository.");
        }

        return folder;
    }

    [GeneratedRegex(@"/// <example>\n/// <code>\n(.*?)\n/// </code>\n/// </example>", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex(@"^/// ?", RegexOptions.Multiline)]
    private static partial Regex CommentMark();

    [GeneratedRegex(@"^ +// example\n(.*?)\n +// end$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Block();
}
