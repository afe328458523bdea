using Crosscore.Code;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests;

/// <summary>
/// The examples that the documentation of types in Crosscore.Code shows, between markers, word for word;
/// <see cref="TypeExampleTests"/> compares them.
/// </summary>
public sealed unsafe class CodeTypeExamples
{
    [Fact]
    public void SealedCode_is_installed_and_called()
    {
        Machine.NeedsRawPrograms();
        // example
        byte[] bytes = [0xB8, 42, 0, 0, 0, 0xC3]; // x86-64: mov eax, 42; ret
        using SealedCode code = SealedCode.Seal(bytes);
        using InstalledCode installed = code.Install();
        int answer = ((delegate* unmanaged<int>)installed.Address)();
        // end
        Assert.Equal(42, answer);
    }

    [Fact]
    public void CodeSlot_exchanges_its_target()
    {
        using SealedCode one = SealedCode.Seal(MachineCode.Return(1));
        using SealedCode two = SealedCode.Seal(MachineCode.Return(2));
        InstalledCode first = one.Install();
        InstalledCode second = two.Install();
        // example
        var slot = new CodeSlot(first.Address); // what threads call is slot.Address
        slot.Target = second.Address; // one store: calls that begin after it run the second
        CodeReclaimer.AfterSuspension.Retire(first); // unmapped when no thread can be in it any more
        // end
        Assert.Equal(2, MachineCode.Call(slot.Address));
        _ = CodeReclaimer.AfterSuspension.WaitAndReclaim();
    }

    [Fact]
    public void LiveCode_is_patched()
    {
        Machine.NeedsRawPrograms();
        // example
        using LiveCode code = LiveCode.Install([0xB8, 1, 0, 0, 0, 0xC3]); // mov eax, 1; ret
        PatchPlan plan = new CodePatch().Replace(code, offset: 1, [2]).Commit(); // mov eax, 2 for every thread
        Console.WriteLine($"{plan.Method}: {plan.Reason}");
        // end
        Assert.Equal(2, MachineCode.Call(code.Address));
    }
}
