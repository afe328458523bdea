using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests.Code;

/// <summary>What docs/code.md shows, between markers, word for word; <see cref="ExampleTests"/> compares them.</summary>
public sealed class CodeExampleTests
{
    [Fact]
    public void Code_is_installed_reached_through_a_slot_and_let_go_of()
    {
        Machine.NeedsRawPrograms();
        byte[] bytes = MachineCode.Return42;
        var verifier = new AllowListVerifier();
        using SealedCode next = SealedCode.Seal(MachineCode.Return(43));
        nint other = next.Install().Address;
        // shown
        var writer = new CodeWriter("query42");                  // no executable side: bytes in ordinary memory
        CodeFunction filter = writer.Append(bytes, "filter");    // position-independent; many functions to a segment
        using SealedCode code = writer.Seal(verifier);           // nobody can change these bytes any more; the verifier sees exactly them
        InstalledCode installed = code.Install();                // executable, and at no time writable
        nint entry = installed.AddressOf(filter);                // publish it as any other data: a release store
        // end
        Assert.Equal(42, MachineCode.CallWithoutTransition(entry));

        // shown
        var slot = new CodeSlot(installed.AddressOf(filter));
        slot.Target = other;                                     // one store; any thread, while any number of threads call slot.Address
        // end
        Assert.Equal(43, MachineCode.CallWithoutTransition(slot.Address));

        // shown
        CodeReclaimer reclaimer = CodeReclaimer.AfterSuspension;
        slot.Target = other;                                     // first nothing leads to the old code any more,
        reclaimer.Retire(installed);                             // then it may go: unmapped by a later call, or after the next collection
        // end
        _ = reclaimer.WaitAndReclaim();
        Assert.DoesNotContain(MemoryMap.Read(), line => line.Path.Contains("crosscore-code:query42", StringComparison.Ordinal));
    }

    [Fact]
    public void Live_code_is_patched()
    {
        Machine.NeedsRawPrograms();
        byte[] bytes = new byte[8192];
        bytes.AsSpan().Fill(0x90);                               // nop, and at the two places one of five bytes
        byte[] nop5 = [0x0F, 0x1F, 0x44, 0x00, 0x00];
        byte[] load = [0xB8, 0x2A, 0x00, 0x00, 0x00];            // mov eax, 42
        load.CopyTo(bytes, 64);
        nop5.CopyTo(bytes, 4093);
        bytes[^1] = 0xC3;
        byte[] jump = [0xE9, 0x00, 0x00, 0x00, 0x00];
        // shown
        using LiveCode code = LiveCode.Install(bytes);               // whole instructions, from the first byte to the last
        PatchPlan plan = new CodePatch()
            .Replace(code, 64, nop5).Replace(code, 4093, jump)       // any number, in any number of pieces of code
            .Commit();                                               // from here on every thread executes the new ones
        Console.WriteLine($"{plan.Method}: {plan.Reason}");
        // end
        Assert.Equal([.. nop5, .. jump], [.. code.ToArray()[64..69], .. code.ToArray()[4093..4098]]);
    }
}
